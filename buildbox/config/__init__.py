"""`.buildbox.toml` and the user's `config.toml`: text to frozen values, and edits that keep the text."""
