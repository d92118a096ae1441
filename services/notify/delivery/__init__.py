"""The delivery engine: leases what is due, sends side by side, settles in batches. Whom to tell it does not decide."""
