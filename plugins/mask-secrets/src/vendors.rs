//! The formats of vendors, a file for each field. Above each row stands the vendor's own page on the shape; where a page
//! gives only an example the row asks for no more than it shows.

mod clouds;
mod forges;
mod messaging;
mod models;
mod operations;
mod payment;

use crate::format::Format;

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Format> {
    [
        clouds::FORMATS,
        forges::FORMATS,
        messaging::FORMATS,
        models::FORMATS,
        operations::FORMATS,
        payment::FORMATS,
    ]
    .into_iter()
    .flatten()
}
