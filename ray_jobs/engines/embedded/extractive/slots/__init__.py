"""Questions about tables, as a closed form: an intent, columns, and conditions on the data's own values."""
