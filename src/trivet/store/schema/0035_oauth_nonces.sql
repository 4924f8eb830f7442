-- expand
-- What was signed once is not good twice. `token_id` is '' where a consumer signs with its own secret alone.
CREATE TABLE oauth_nonces (
    consumer_id TEXT NOT NULL REFERENCES oauth_consumers (id) ON DELETE CASCADE,
    token_id TEXT NOT NULL,
    nonce TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (consumer_id, token_id, nonce, at)
);
CREATE INDEX oauth_nonces_at ON oauth_nonces (at);
