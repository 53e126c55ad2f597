"""Pure calculation of allocation: frames in, frames out."""
