//! Programs for attachments that behave, and all those that do not.
