//! The roles of a cluster, read from the file of `pg_authid`: who may open the first session is not known otherwise.

use std::collections::BTreeMap;

use crate::bytes::{u16_at, u32_at};
use crate::page::PAGE;

/// The file that says which file a shared catalog is in.
pub const SHARED_MAP: &str = "global/pg_filenode.map";
/// OID of `pg_authid`.
const AUTHID: u32 = 1260;
/// First number of a map of files.
const MAGIC: u32 = 0x0059_2717;
/// Bytes of the columns that are read: `oid`, `rolname`, and seven booleans.
const COLUMNS: usize = 4 + 64 + 7;

/// A role that may be one of the cluster: an old version of a row may be read too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its OID; 10 is the bootstrap superuser.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// Whether it is a superuser.
    pub superuser: bool,
    /// Whether it may log in.
    pub login: bool,
    /// Whether no transaction has replaced or removed this row.
    pub is_live: bool,
}

/// The path of the file of `pg_authid`, by the map of shared catalogs.
#[must_use]
pub fn authid_file(map: &[u8]) -> Option<String> {
    if u32_at(map, 0) != MAGIC {
        return None;
    }
    let count = (u32_at(map, 4) as usize).min(64);
    let entries =
        (0..count).map(|number| (u32_at(map, 8 + 8 * number), u32_at(map, 12 + 8 * number)));
    let mut of_authid = entries.filter(|(oid, _)| *oid == AUTHID);
    of_authid.next().map(|(_, file)| format!("global/{file}"))
}

/// Reads the rows of a file of `pg_authid`. Whatever is no row is passed over: names are only tried.
#[must_use]
pub fn read(file: &[u8]) -> Vec<Role> {
    let pages = file.chunks_exact(PAGE);
    let rows = pages.flat_map(|page| {
        let pointers = usize::from(u16_at(page, 12)).clamp(24, PAGE);
        (24..pointers).step_by(4).filter_map(move |at| {
            let pointer = u32_at(page, at);
            let (offset, flags, length) = (pointer & 0x7FFF, pointer >> 15 & 3, pointer >> 17);
            let (offset, length) = (offset as usize, length as usize);
            (flags == 1).then(|| page.get(offset..offset + length))?
        })
    });
    rows.filter_map(role).collect()
}

fn role(row: &[u8]) -> Option<Role> {
    let (removed_by, mask) = (u32_at(row, 4), u16_at(row, 20));
    let begin = usize::from(*row.get(22)?);
    let columns = row.get(begin..begin + COLUMNS)?;
    let name = columns[4..68].split(|byte| *byte == 0).next()?;
    let name = std::str::from_utf8(name).ok()?;
    // The transaction that made it has failed.
    if mask & 0x0300 == 0x0200 || name.is_empty() {
        return None;
    }
    Some(Role {
        oid: u32_at(columns, 0),
        name: name.to_owned(),
        superuser: columns[68] == 1,
        login: columns[72] == 1,
        is_live: removed_by == 0 || mask & (0x0800 | 0x0080) != 0,
    })
}

/// The superuser to log in as: the bootstrap superuser, or the oldest other one where that may not log in.
#[must_use]
pub fn superuser(roles: &[Role]) -> Option<&Role> {
    let may = roles.iter().filter(|role| role.superuser && role.login);
    // Later rows are newer.
    let by_oid: BTreeMap<(bool, u32), &Role> =
        may.map(|role| ((!role.is_live, role.oid), role)).collect();
    by_oid.into_values().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page with rows: OID, name, superuser, login, removed by.
    fn page(rows: &[(u32, &str, bool, bool, u32)]) -> Vec<u8> {
        let mut page = vec![0; PAGE];
        let mut end = PAGE;
        for (number, (oid, name, superuser, login, removed_by)) in rows.iter().enumerate() {
            let mut row = vec![0; 24 + 80];
            row[4..8].copy_from_slice(&removed_by.to_le_bytes());
            row[22] = 24;
            row[24..28].copy_from_slice(&oid.to_le_bytes());
            row[28..28 + name.len()].copy_from_slice(name.as_bytes());
            row[24 + 68] = u8::from(*superuser);
            row[24 + 72] = u8::from(*login);
            end -= row.len();
            page[end..end + row.len()].copy_from_slice(&row);
            let pointer = end as u32 | 1 << 15 | (row.len() as u32) << 17;
            page[24 + 4 * number..28 + 4 * number].copy_from_slice(&pointer.to_le_bytes());
        }
        let lower = u16::try_from(24 + 4 * rows.len()).unwrap();
        page[12..14].copy_from_slice(&lower.to_le_bytes());
        page
    }

    fn chosen(rows: &[(u32, &str, bool, bool, u32)]) -> Option<String> {
        superuser(&read(&page(rows))).map(|role| role.name.clone())
    }

    #[test]
    fn the_bootstrap_superuser_is_chosen_by_its_newest_row() {
        let renamed = [
            (10, "postgres", true, true, 7),
            (16384, "app", false, true, 0),
            (10, "boss", true, true, 0),
        ];
        assert_eq!(chosen(&renamed).as_deref(), Some("boss"));
        let locked_out = [
            (10, "rdsadmin", true, false, 0),
            (16385, "b", true, true, 0),
            (16384, "a", true, true, 0),
        ];
        assert_eq!(chosen(&locked_out).as_deref(), Some("a"));
        assert_eq!(chosen(&[(16384, "app", false, true, 0)]), None);
        assert_eq!(read(&[0xFF; 2 * PAGE]), Vec::new());
    }

    #[test]
    fn the_map_leads_to_the_file() {
        let mut map = vec![0; 512];
        for (at, number) in [MAGIC, 2, 1262, 1262, 1260, 16402].into_iter().enumerate() {
            map[4 * at..4 * at + 4].copy_from_slice(&number.to_le_bytes());
        }
        assert_eq!(authid_file(&map).as_deref(), Some("global/16402"));
        assert_eq!(authid_file(&[0; 512]), None);
    }
}
