//! The members of a tar file, strictly: every header's checksum, every byte, and the end.
//!
//! Many readers accept a tar file that is truncated between two members, and pg_restore
//! never returns from one that was cut off within a member. So the two empty blocks at the end are
//! demanded, and a member that is not all there is an error that names it.

use std::io::{self, BufRead, Read};

use ::tar::{EntryType, Header, PaxExtensions};

use crate::compression::{read_from_buffer, up_to};
use crate::fault::{Fault, FaultKind};

const BLOCK: u64 = 512;

/// Names and attributes longer than this are damage.
const LONGEST: u64 = 1024 * 1024;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A link, a device, a pipe: nothing that a backup needs.
    Other,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name as stored: before it is used as a path, `..` and absolute ones must be refused.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// What it is.
    pub sort: Sort,
}

/// Why no further member can be read.
#[derive(Debug)]
pub enum TarError {
    /// The reader fails.
    Io(io::Error),
    /// The file is not a complete tar file.
    Damaged(Box<Fault>),
}

/// Iterates over the members; between two calls of [`Members::next_member`], reading returns the bytes of the
/// member. A truncated one returns [`io::ErrorKind::UnexpectedEof`], then [`TarError::Damaged`].
#[derive(Debug)]
pub struct Members<R> {
    reader: R,
    name: String,
    /// Remaining bytes of this member, and of its padding.
    left: u64,
    padding: u64,
    /// Whether the end was read.
    ended: bool,
    /// Bytes other than 0 after the end.
    pub trailing: u64,
}

fn damaged(actual: impl Into<String>) -> TarError {
    let fault = Fault::new(FaultKind::ArchiveDamaged, "a complete tar file", actual);
    TarError::Damaged(Box::new(fault))
}

impl<R: BufRead> Members<R> {
    /// Begins before the first member.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            name: String::new(),
            left: 0,
            padding: 0,
            ended: false,
            trailing: 0,
        }
    }

    /// Skips the rest of this member and returns the next one; `None` after the last.
    ///
    /// # Errors
    /// That the reader fails, or that the file is cut off or damaged.
    pub fn next_member(&mut self) -> Result<Option<Member>, TarError> {
        // Longer names and sizes of the member that follows them.
        let (mut name, mut bytes) = (None, None);
        loop {
            self.skip()?;
            if self.ended {
                return Ok(None);
            }
            let Some(header) = self.header()? else {
                self.end()?;
                return Ok(None);
            };
            let size = header
                .entry_size()
                .map_err(|_| damaged("a header with a size that is no number"))?;
            let own = String::from_utf8_lossy(&header.path_bytes()).into_owned();
            let sort = header.entry_type();
            match sort {
                EntryType::GNULongName | EntryType::GNULongLink => {
                    let text = self.attributes(&own, size)?;
                    if sort == EntryType::GNULongName {
                        let end = text
                            .iter()
                            .position(|byte| *byte == 0)
                            .unwrap_or(text.len());
                        name = Some(String::from_utf8_lossy(&text[..end]).into_owned());
                    }
                }
                EntryType::XHeader | EntryType::XGlobalHeader => {
                    let text = self.attributes(&own, size)?;
                    if sort == EntryType::XHeader {
                        for attribute in PaxExtensions::new(&text) {
                            let attribute =
                                attribute.map_err(|_| damaged("attributes that cannot be read"))?;
                            let value = String::from_utf8_lossy(attribute.value_bytes());
                            match attribute.key_bytes() {
                                b"path" => name = Some(value.into_owned()),
                                b"size" => {
                                    let size = value.parse();
                                    bytes = Some(
                                        size.map_err(|_| damaged("a size that is no number"))?,
                                    );
                                }
                                _ => {}
                            }
                        }
                    }
                }
                _ => {
                    let member = Member {
                        name: name.unwrap_or(own),
                        bytes: bytes.unwrap_or(size),
                        sort: match sort {
                            EntryType::Regular | EntryType::Continuous => Sort::File,
                            EntryType::Directory => Sort::Folder,
                            _ => Sort::Other,
                        },
                    };
                    self.begin(&member.name, member.bytes);
                    return Ok(Some(member));
                }
            }
        }
    }

    fn begin(&mut self, name: &str, bytes: u64) {
        name.clone_into(&mut self.name);
        self.left = bytes;
        self.padding = (BLOCK - bytes % BLOCK) % BLOCK;
    }

    /// Reads a member with attributes of the next one.
    fn attributes(&mut self, name: &str, bytes: u64) -> Result<Vec<u8>, TarError> {
        if bytes > LONGEST {
            return Err(damaged("attributes of impossible length"));
        }
        self.begin(name, bytes);
        let mut text = Vec::new();
        match self.read_to_end(&mut text) {
            Ok(_) => Ok(text),
            Err(error) => Err(self.stopped(error)),
        }
    }

    /// Reads a header; none is an empty block.
    fn header(&mut self) -> Result<Option<Header>, TarError> {
        let Some(block) = self.block()? else {
            return Err(damaged(match self.name.as_str() {
                "" => "it ends before the first member".to_owned(),
                name => format!("it ends after `{name}`, without the two empty blocks"),
            }));
        };
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block);
        // The checksum is taken with spaces in its own place.
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        let own: u32 = block[148..156].iter().map(|byte| u32::from(*byte)).sum();
        if header.cksum().ok() != Some(sum - own + 8 * u32::from(b' ')) {
            return Err(damaged(match self.name.as_str() {
                "" => "its first header has a wrong checksum".to_owned(),
                name => format!("the header after `{name}` has a wrong checksum"),
            }));
        }
        Ok(Some(header.clone()))
    }

    /// Reads the second empty block, and the bytes after it.
    fn end(&mut self) -> Result<(), TarError> {
        self.ended = true;
        match self.block()? {
            Some(block) if block.iter().all(|byte| *byte == 0) => {}
            Some(_) => return Err(damaged("one empty block, and then more")),
            None => return Err(damaged("it ends after the first of two empty blocks")),
        }
        loop {
            let rest = self.reader.fill_buf().map_err(TarError::Io)?;
            if rest.is_empty() {
                return Ok(());
            }
            self.trailing += rest.iter().filter(|byte| **byte != 0).count() as u64;
            let all = rest.len();
            self.reader.consume(all);
        }
    }

    /// Reads 512 bytes; none at the end of the file.
    fn block(&mut self) -> Result<Option<[u8; 512]>, TarError> {
        let mut block = [0; 512];
        let mut filled = 0;
        while filled < block.len() {
            match self.reader.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => {
                    return Err(damaged(match self.name.as_str() {
                        "" => "it ends within the first header".to_owned(),
                        name => format!("it ends within the header after `{name}`"),
                    }));
                }
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(TarError::Io(error)),
            }
        }
        Ok(Some(block))
    }

    /// Reads what is left of the member.
    ///
    /// # Errors
    /// That the reader fails, or that the file is cut off within the member.
    pub fn skip(&mut self) -> Result<(), TarError> {
        if let Err(error) = io::copy(self, &mut io::sink()) {
            return Err(self.stopped(error));
        }
        let padding = io::copy(&mut (&mut self.reader).take(self.padding), &mut io::sink())
            .map_err(TarError::Io)?;
        if padding < std::mem::take(&mut self.padding) {
            return Err(self.stopped(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(())
    }

    fn stopped(&self, error: io::Error) -> TarError {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            damaged(format!("it ends within `{}`", self.name))
        } else {
            TarError::Io(error)
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_from_buffer(self, buffer)
    }
}

impl<R: BufRead> BufRead for Members<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Ok(&[]);
        }
        let available = self.reader.fill_buf()?;
        if available.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(up_to(self.left, available))
    }

    fn consume(&mut self, amount: usize) {
        self.reader.consume(amount);
        self.left -= amount as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::tar::Builder;
    use proptest::prelude::*;

    /// A tar file as GNU tar and others write it: long names, a folder, a link.
    fn good() -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        let mut add = |name: &str, sort: EntryType, bytes: &[u8]| {
            let mut header = Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_entry_type(sort);
            header.set_mode(0o600);
            builder.append_data(&mut header, name, bytes).unwrap();
        };
        add("folder/", EntryType::Directory, b"");
        add("folder/manifest.json", EntryType::Regular, b"{}");
        add(
            &format!("folder/{}", "long".repeat(50)),
            EntryType::Regular,
            &[7; 1024],
        );
        add("link", EntryType::Symlink, b"");
        builder
            .append_pax_extensions([("path", b"by attribute".as_slice())])
            .unwrap();
        let mut header = Header::new_ustar();
        header.set_size(3);
        header.set_cksum();
        builder.append(&header, b"abc".as_slice()).unwrap();
        builder.into_inner().unwrap()
    }

    fn walk(bytes: &[u8]) -> Result<Vec<(Member, Vec<u8>)>, String> {
        let mut members = Members::new(bytes);
        let mut all = Vec::new();
        loop {
            match members.next_member() {
                Ok(None) => return Ok(all),
                Ok(Some(member)) => {
                    let mut text = Vec::new();
                    // The next call returns the error too.
                    let _ = members.read_to_end(&mut text);
                    all.push((member, text));
                }
                Err(TarError::Damaged(fault)) => return Err(fault.found),
                Err(TarError::Io(error)) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn members_are_read_with_their_long_names() {
        let members = walk(&good()).unwrap();
        let names: Vec<_> = members
            .iter()
            .map(|(m, text)| {
                (
                    m.name.chars().take(24).collect::<String>(),
                    m.sort,
                    text.len(),
                )
            })
            .collect();
        let name = |text: &str| text.to_owned();
        assert_eq!(
            names,
            [
                (name("folder/"), Sort::Folder, 0),
                (name("folder/manifest.json"), Sort::File, 2),
                (name("folder/longlonglonglongl"), Sort::File, 1024),
                (name("link"), Sort::Other, 0),
                (name("by attribute"), Sort::File, 3),
            ]
        );
        assert_eq!(members[2].0.name.len(), 207);
    }

    #[test]
    fn f18_a_cut_after_any_byte_is_an_error() {
        let good = good();
        for end in 0..good.len() {
            assert!(walk(&good[..end]).is_err(), "cut after {end}");
        }
        let within = good.iter().position(|byte| *byte == 7).unwrap() + 100;
        let told = walk(&good[..within]).unwrap_err();
        assert!(told.contains("it ends within `folder/longlong"), "{told}");
    }

    #[test]
    fn padding_behind_the_end_is_no_matter_and_other_bytes_are_counted() {
        for (tail, trailing) in [(vec![0; 9000], 0), (b"more".to_vec(), 4)] {
            let bytes = [good(), tail].concat();
            let mut members = Members::new(bytes.as_slice());
            while members.next_member().unwrap().is_some() {}
            assert_eq!(members.trailing, trailing);
        }
    }

    proptest! {
        #[test]
        fn any_flipped_byte_of_a_header_is_an_error(at in 0_usize..512, with in 1_u8..) {
            let mut bytes = good();
            bytes[at] ^= with;
            // A blank in place of a leading zero of the checksum is how other writers put it.
            prop_assume!(!((148..156).contains(&at) && bytes[at].is_ascii_whitespace()));
            prop_assert!(walk(&bytes).is_err());
        }

        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = walk(&bytes);
        }
    }
}
