//! Digests the content of large objects, to compare it with the backup.

use sha2::{Digest as _, Sha256};

use crate::backup::gather::large_object_row;
use crate::database::{DatabaseError, Session};
use crate::digest::{RowsDigest, from_hex};

/// Bytes of a page of a large object.
const PAGE: usize = 2048;

/// All large objects, page by page in order; one row for those without pages.
const PAGES: &str = "COPY (
SELECT m.oid, l.pageno, pg_catalog.encode(l.data, 'hex')
  FROM pg_catalog.pg_largeobject_metadata m
  LEFT JOIN pg_catalog.pg_largeobject l ON l.loid = m.oid
 ORDER BY m.oid, l.pageno) TO STDOUT";

/// Digests the large objects of a database, each as a row of its OID and the SHA-256 of its bytes.
///
/// # Errors
/// When the session's role is not a superuser, or the connection is lost.
pub async fn digest(session: &mut Session) -> Result<RowsDigest, DatabaseError> {
    let mut all = LargeObjects::default();
    session.copy_out(PAGES, |row| all.add_page(row)).await?;
    all.end();
    Ok(all.digest)
}

#[derive(Default)]
struct LargeObjects {
    digest: RowsDigest,
    /// OID, digest and number of bytes of the object whose pages are being read.
    current: Option<(Vec<u8>, Sha256, usize)>,
}

impl LargeObjects {
    fn add_page(&mut self, row: &[u8]) {
        let mut fields = row.split(|byte| *byte == b'\t');
        let (oid, page, data) = (fields.next(), fields.next(), fields.next());
        let oid = oid.unwrap_or_default();
        if self
            .current
            .as_ref()
            .is_none_or(|(current, ..)| current != oid)
        {
            self.end();
            self.current = Some((oid.to_vec(), Sha256::new(), 0));
        }
        let page = page.and_then(|page| std::str::from_utf8(page).ok()?.parse::<usize>().ok());
        let (Some(page), Some(data)) = (page, data.and_then(from_hex)) else {
            return;
        };
        if let Some((_, digest, bytes)) = &mut self.current {
            // Parts that were never written read as zeros.
            while *bytes < page * PAGE {
                let zeros = (page * PAGE - *bytes).min(PAGE);
                digest.update(&[0; PAGE][..zeros]);
                *bytes += zeros;
            }
            digest.update(&data);
            *bytes += data.len();
        }
    }

    fn end(&mut self) {
        if let Some((oid, digest, _)) = self.current.take() {
            let row = large_object_row(&String::from_utf8_lossy(&oid), &digest.finalize());
            self.digest.add(row.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_make_an_object_and_holes_are_zeros() {
        let mut all = LargeObjects::default();
        all.add_page(b"7\t\\N\t\\N");
        all.add_page(b"9\t0\t6869");
        all.add_page(b"9\t1\t21");
        all.end();
        let mut content = b"hi".to_vec();
        content.resize(2048, 0);
        content.push(b'!');
        let mut expected = RowsDigest::default();
        expected.add(large_object_row("7", &Sha256::digest(b"")).as_bytes());
        expected.add(large_object_row("9", &Sha256::digest(&content)).as_bytes());
        assert_eq!(all.digest, expected);
    }
}
