"""S3, over the same containers and objects as Swift: a bucket is a container of the signer's project."""
