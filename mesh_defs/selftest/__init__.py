"""The self-test: known events, a real Kafka, an ingest that is killed again and again, and the account at the end."""

from mesh_defs.selftest.report import SelfTestReport
from mesh_defs.selftest.run import SelfTestOptions, run_selftest

__all__ = ["SelfTestOptions", "SelfTestReport", "run_selftest"]
