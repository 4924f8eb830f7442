"""The registry dialect: the distribution specification of OCI, as podman, skopeo, docker and containerd speak it."""
