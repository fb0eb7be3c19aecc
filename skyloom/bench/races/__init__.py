"""Side by side with others: transformers of diffusers, loaders, decoders."""
