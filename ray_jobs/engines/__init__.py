"""Models behind the engine contract: what embeds, transcribes, describes and answers."""
