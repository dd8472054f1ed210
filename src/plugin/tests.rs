//! Plugins as their authors meet them: what is read, what is refused, and where.
