//! A model for elsewhere.

mod torchscript;

#[cfg(test)]
mod tests;
