#![allow(dead_code)] // until the commands call them
mod demo;
mod server;

fn main() {}
