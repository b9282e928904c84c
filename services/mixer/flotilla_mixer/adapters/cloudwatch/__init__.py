"""The cloudwatch adapter: metrics and log entries to Amazon CloudWatch (mixer.md 5.13)."""
