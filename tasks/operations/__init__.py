"""What stands around the stages: pipeline run, deployments, the server."""
