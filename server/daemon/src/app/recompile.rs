//! Keeps desired states true to what is assigned.
