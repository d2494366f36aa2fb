"""Pipeline run, deployments and server."""
