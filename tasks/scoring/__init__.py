"""Batch scoring: crops, shards, predictions, drift, report, the inbox."""
