"""The domain store: one DuckLake a domain, written only through this package."""
