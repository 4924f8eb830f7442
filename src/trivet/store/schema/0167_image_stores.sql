-- expand
-- Where the bytes of an image lie, by the name of the store; of older images: where blob_key says. And where an import
-- takes them, and could not: lists of names, as clients see them.
ALTER TABLE images ADD COLUMN copies TEXT NOT NULL DEFAULT '{}';
ALTER TABLE images ADD COLUMN importing_to TEXT;
ALTER TABLE images ADD COLUMN failed_stores TEXT;
CREATE INDEX images_importing ON images (id) WHERE importing_to IS NOT NULL AND importing_to <> '[]';
