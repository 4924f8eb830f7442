-- expand
-- The digest that the signature of an image is over ("SHA-256:..."), of the bytes as they came: so a signature is checked
-- before a server starts, and nothing is read again for it.
ALTER TABLE images ADD COLUMN signed_digest TEXT;
