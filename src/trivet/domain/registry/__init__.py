"""The registry of container images: repositories of projects, and in them manifests, each of which is an image."""
