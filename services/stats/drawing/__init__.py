"""Pictures of figures: one specification each, for pages, reports and mail."""
