"""The mesh in Dagster: assets, checks and sensors, built from contracts."""
