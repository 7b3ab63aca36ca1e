"""Isolation by containers: `docker` and `podman`, through their command lines."""

from worktrial.sandboxes.oci.sandbox import Oci, probe

__all__ = ["Oci", "probe"]
