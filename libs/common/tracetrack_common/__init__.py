"""What the TraceTrack services share: domain rules, contracts, schema, ledger, settings."""
