//! All layers through the whole pipeline: F11 (cut), F12 (flipped), F13 (several members), F14 (bytes
//! behind the end), F15 (compressed twice), F06 and F08 (nothing).

use std::io::{Cursor, Write as _};
use std::process::{Command, Stdio};

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use pgdump::compression::Frame as _;

/// Text that compresses, but not to nothing.
fn text(lines: u32) -> Vec<u8> {
    (0..lines)
        .flat_map(|line| format!("{line}\trow {}\n", line.wrapping_mul(2_654_435_761)).into_bytes())
        .collect()
}

/// The finding of a read error whose cause is the backup.
fn damage(error: &io::Error) -> Option<Finding> {
    match LayerError::of(error) {
        LayerError::Damaged(finding) => Some(finding),
        LayerError::CouldNotRun(_) => None,
    }
}

/// Opens and reads to the end.
fn read(packed: &[u8], keys: &Keys) -> Result<(Vec<u8>, Ended), LayerError> {
    let reader = Cursor::new(packed.to_vec());
    let mut unpacked = Unpacked::from_reader("the test", reader, keys)?;
    let mut content = Vec::new();
    let result = unpacked.read_to_end(&mut content);
    let ended = unpacked.end()?;
    assert_eq!(ended.file.bytes, packed.len() as u64);
    match result {
        Ok(_) => assert_eq!(ended.problem, None),
        Err(error) => {
            assert_eq!(damage(&error), ended.problem);
            return Err(LayerError::of(&error));
        }
    }
    Ok((content, ended))
}

/// One frame of a compression, made by its crate, with a checksum.
fn pack(layer: &Layer, content: &[u8]) -> Vec<u8> {
    match layer {
        Layer::Gzip => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        Layer::Zstd => {
            let mut encoder = ::zstd::Encoder::new(Vec::new(), 3).unwrap();
            encoder.include_checksum(true).unwrap();
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        Layer::Lz4 => {
            let info = lz4_flex::frame::FrameInfo::new()
                .content_checksum(true)
                .block_mode(lz4_flex::frame::BlockMode::Linked);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        Layer::Xz => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        Layer::Age | Layer::Command(_) => unreachable!("no compression"),
    }
}

/// Runs a real program: `input` in, output out.
fn program(words: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; ci/setup.sh installs it", words[0]));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.status.success(), "{words:?}");
    output.stdout
}

fn actual(error: &LayerError) -> &str {
    match error {
        LayerError::Damaged(finding) => &finding.actual,
        LayerError::CouldNotRun(_) => panic!("{error:?}"),
    }
}

const COMPRESSIONS: [Layer; 4] = [Layer::Gzip, Layer::Zstd, Layer::Lz4, Layer::Xz];

#[rstest]
#[case::gzip(Layer::Gzip, &["gzip", "-c"])]
#[case::zstd(Layer::Zstd, &["zstd", "-qc"])]
#[case::zstd_without_checksum(Layer::Zstd, &["zstd", "-qc", "--no-check"])]
#[case::zstd_long(Layer::Zstd, &["zstd", "-qc", "--long=30"])]
#[case::lz4(Layer::Lz4, &["lz4", "-qc"])]
#[case::lz4_best(Layer::Lz4, &["lz4", "-qc", "-9", "-BD", "-B4"])]
#[case::lz4_block_checksums(Layer::Lz4, &["lz4", "-qc", "-BX", "--no-frame-crc"])]
#[case::xz(Layer::Xz, &["xz", "-c"])]
#[case::xz_crc32(Layer::Xz, &["xz", "-c", "--check=crc32"])]
#[case::xz_none(Layer::Xz, &["xz", "-c", "--check=none"])]
#[case::xz_sha256(Layer::Xz, &["xz", "-c", "--check=sha256", "-T2", "--block-size=65536"])]
fn f13_what_the_programs_write_is_read_whole(#[case] layer: Layer, #[case] words: &[&str]) {
    let (first, second) = (text(60_000), text(7));
    let packed = [program(words, &first), program(words, &second)].concat();
    let mut unpacked =
        Unpacked::from_reader("t", Cursor::new(packed.clone()), &Keys::default()).unwrap();
    assert_eq!(unpacked.layers(), [layer]);
    assert_eq!(unpacked.head(), &first[..HEAD]);
    let mut content = Vec::new();
    unpacked.read_to_end(&mut content).unwrap();
    assert!(content == [first, second].concat());
    let ended = unpacked.end().unwrap();
    assert_eq!(ended.warnings, []);
    assert_eq!(ended.unpacked_bytes, content.len() as u64);
    let digest = program(&["sha256sum"], &packed);
    assert_eq!(ended.file.sha256.as_bytes(), &digest[..64]);
}

#[test]
fn f11_a_cut_anywhere_is_an_error() {
    for layer in &COMPRESSIONS {
        // Behind 200 KB there are several blocks, and cuts between them.
        for lines in [20, 8_000] {
            let content = text(lines);
            let good = pack(layer, &content);
            let step = if lines == 20 { 1 } else { 397 };
            for end in (8..good.len()).step_by(step) {
                let error = read(&good[..end], &Keys::default()).unwrap_err();
                assert!(
                    actual(&error).contains("it is truncated"),
                    "{layer} {end}: {error}"
                );
            }
            // In a second frame, also in its magic; a cut between two frames cannot be seen.
            let two = [good.clone(), good.clone()].concat();
            for end in (good.len() + 1..two.len()).step_by(step) {
                let error = read(&two[..end], &Keys::default()).unwrap_err();
                assert!(
                    actual(&error).contains("it is truncated"),
                    "{layer} {end}: {error}"
                );
            }
        }
    }
}

#[test]
fn f11_an_lz4_file_cut_between_two_blocks_is_an_error() {
    let good = program(&["lz4", "-qc", "-B4", "--no-frame-crc"], &text(60_000));
    // Behind the frame's header (7 bytes) comes the length of the first block.
    let length = u32::from_le_bytes(good[7..11].try_into().unwrap()) as usize;
    for end in 11 + length..=11 + length + 4 {
        let error = read(&good[..end], &Keys::default()).unwrap_err();
        assert_eq!(actual(&error), "it is truncated", "{end}");
    }
}

#[test]
fn f12_a_flipped_bit_is_an_error_or_changes_nothing() {
    for layer in &COMPRESSIONS {
        let content = text(20);
        let frame = pack(layer, &content);
        let good = [frame.clone(), frame].concat();
        let content = content.repeat(2);
        let mut caught = 0;
        for at in 6..good.len() {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                match read(&bytes, &Keys::default()) {
                    Err(_) => caught += 1,
                    // gzip takes a member whose first bytes are wrong for something appended.
                    Ok((_, ended)) if !ended.warnings.is_empty() => caught += 1,
                    Ok((read, _)) => assert!(read == content, "{layer}: byte {at}, bit {bit}"),
                }
            }
        }
        // Few bits mean nothing, such as a time in a header.
        assert!(
            caught > good.len() * 6,
            "{layer}: {caught} of {}",
            good.len() * 8
        );
    }
}

#[test]
fn f14_zeros_behind_the_end_are_a_warning() {
    for layer in &COMPRESSIONS {
        for zeros in [1, 3, 512, 300_000] {
            let packed = [pack(layer, b"content"), vec![0; zeros]].concat();
            let (content, ended) = read(&packed, &Keys::default()).unwrap();
            assert_eq!(content, b"content");
            let [warning] = &ended.warnings[..] else {
                panic!("{layer} {zeros}: {:?}", ended.warnings)
            };
            assert_eq!(warning.actual, format!("{zeros} bytes, all of them zero"));
        }
    }
}

#[test]
fn f14_other_bytes_behind_the_end_are_judged_as_the_programs_do() {
    for layer in &COMPRESSIONS {
        for tail in [&b"garbage"[..], b"\0\0\0garbage"] {
            let packed = [&pack(layer, b"content"), tail].concat();
            match read(&packed, &Keys::default()) {
                Ok((content, ended)) => {
                    assert_eq!((layer, &content[..]), (&Layer::Gzip, &b"content"[..]));
                    let more = format!("{} more bytes", tail.len());
                    assert!(ended.warnings[0].actual.contains(&more), "{ended:?}");
                }
                Err(error) => {
                    assert_ne!(layer, &Layer::Gzip);
                    assert!(actual(&error).contains(&format!("{} bytes that are no", tail.len())));
                }
            }
        }
    }
}

#[test]
fn xz_streams_may_have_padding_between_them() {
    let one = pack(&Layer::Xz, b"one ");
    let packed = [one, vec![0; 8], pack(&Layer::Xz, b"two")].concat();
    let (content, ended) = read(&packed, &Keys::default()).unwrap();
    assert_eq!(
        (&content[..], &ended.warnings[..]),
        (&b"one two"[..], &[][..])
    );
}

#[test]
fn frames_without_content_are_skipped() {
    // pzstd writes one before each frame.
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"skip"].concat();
    for layer in [Layer::Zstd, Layer::Lz4] {
        let frame = pack(&layer, b"one ");
        let packed = [&skippable[..], &frame, &skippable, &frame, &skippable].concat();
        let (content, ended) = read(&packed, &Keys::default()).unwrap();
        assert_eq!(
            (&content[..], &ended.warnings[..]),
            (&b"one one "[..], &[][..])
        );
        let error = read(&packed[..packed.len() - 1], &Keys::default()).unwrap_err();
        assert_eq!(actual(&error), "it is truncated");
    }
}

#[test]
fn f15_the_same_compression_twice_is_refused_and_two_are_not() {
    for layer in &COMPRESSIONS {
        let twice = pack(layer, &pack(layer, b"content"));
        let error =
            Unpacked::from_reader("t", Cursor::new(twice.clone()), &Keys::default()).unwrap_err();
        let OpenError::Damaged(finding, file) = error else {
            panic!("{error:?}")
        };
        assert!(
            finding.actual.ends_with("it was compressed twice"),
            "{finding:?}"
        );
        // The file is known all the same.
        assert_eq!(file.bytes, twice.len() as u64);
    }
    let packed = pack(&Layer::Gzip, &pack(&Layer::Xz, b"content"));
    let (content, _) = read(&packed, &Keys::default()).unwrap();
    assert_eq!(content, b"content");
}

#[test]
fn f06_f08_nothing_and_compressed_nothing_are_refused() {
    for (packed, expected) in [
        (Vec::new(), "an empty file"),
        (pack(&Layer::Gzip, b""), "gzip of an empty file"),
        (
            pack(&Layer::Zstd, &pack(&Layer::Xz, b"")),
            "zstd of xz of an empty file",
        ),
    ] {
        assert_eq!(
            actual(&read(&packed, &Keys::default()).unwrap_err()),
            expected
        );
    }
}

#[test]
fn layers_do_not_nest_without_end() {
    let mut packed = b"content".to_vec();
    for round in 0..9 {
        packed = pack(
            if round % 2 == 0 {
                &Layer::Gzip
            } else {
                &Layer::Zstd
            },
            &packed,
        );
    }
    let error = read(&packed, &Keys::default()).unwrap_err();
    assert!(actual(&error).starts_with("one more layer"), "{error}");
}

#[test]
fn a_window_of_more_than_a_gibibyte_is_refused_before_it_is_made() {
    // A frame's header that claims 2 GiB, and one that claims 3.75 TiB.
    for window in [0xa8, 0xff] {
        let packed = [0x28, 0xb5, 0x2f, 0xfd, 0x00, window, 0x01, 0x00, 0x00];
        let error = read(&packed, &Keys::default()).unwrap_err();
        assert!(
            matches!(&error, LayerError::CouldNotRun(error) if error.reason.contains("1 GiB")),
            "{error:?}"
        );
    }
    let packed = program(
        &["xz", "-c", "--lzma2=dict=1280MiB,mode=fast,mf=hc3,nice=2"],
        b"x",
    );
    let error = read(&packed, &Keys::default()).unwrap_err();
    assert!(
        matches!(&error, LayerError::CouldNotRun(error) if error.reason.contains("1 GiB")),
        "{error:?}"
    );
}

#[test]
fn an_error_of_the_disk_is_not_the_backups() {
    let folder = std::env::temp_dir();
    for path in [folder.clone(), folder.join("no such file")] {
        let error = Unpacked::open(&path, &Keys::default()).unwrap_err();
        assert!(matches!(error, OpenError::CouldNotRun(_)), "{error:?}");
        assert!(
            error.to_string().contains(&path.display().to_string()),
            "{error}"
        );
    }
    struct Dying(Cursor<Vec<u8>>);
    impl Read for Dying {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.0.read(out)? {
                0 => Err(io::Error::from_raw_os_error(5)),
                read => Ok(read),
            }
        }
    }
    for layer in &COMPRESSIONS {
        let mut packed = pack(layer, &text(10_000));
        packed.truncate(packed.len() / 2);
        let reader = Dying(Cursor::new(packed));
        match Unpacked::from_reader("t", reader, &Keys::default()) {
            // A block of lz4 and of xz is read as a whole.
            Err(error) => assert!(
                matches!(error, OpenError::CouldNotRun(_)),
                "{layer}: {error:?}"
            ),
            Ok(mut unpacked) => {
                let error = io::copy(&mut unpacked, &mut io::sink()).unwrap_err();
                assert_eq!(damage(&error), None, "{layer}: {error}");
                assert!(unpacked.end().is_err());
            }
        }
    }
}

#[test]
fn who_stops_reading_leaves_no_thread_that_reads_on() {
    let (sender, dropped) = std::sync::mpsc::channel::<()>();
    /// Never ends; closes the channel when it is dropped.
    struct Endless(
        #[expect(dead_code, reason = "dropped with the reader")] std::sync::mpsc::Sender<()>,
    );
    impl Read for Endless {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            out.fill(b'x');
            Ok(out.len())
        }
    }
    drop(Unpacked::from_reader("t", Endless(sender), &Keys::default()).unwrap());
    let closed = dropped.recv_timeout(std::time::Duration::from_secs(10));
    assert_eq!(closed, Err(std::sync::mpsc::RecvTimeoutError::Disconnected));
}

proptest! {
    /// Whatever stands behind a magic, reading ends, and what it gives is what was packed.
    #[test]
    fn damage_never_gives_other_content(
        which in 0..4_usize,
        lines in 1..300_u32,
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let content = text(lines);
        let mut packed = pack(&COMPRESSIONS[which], &content);
        for (at, byte) in damages {
            let at = 6 + at.index(packed.len() - 6);
            packed[at] = byte;
        }
        if let Some(cut) = cut {
            packed.truncate(8 + cut.index(packed.len() - 8));
        }
        if let Ok((read, _)) = read(&packed, &Keys::default()) {
            prop_assert!(read == content);
        }
    }

    /// Any bytes behind any magic: an answer, no panic.
    #[test]
    fn any_bytes_are_read_or_refused(
        which in 0..5_usize,
        rest in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let magic = [Gzip::<Buffered>::MAGIC, Zstd::<Buffered>::MAGIC, Lz4::<Buffered>::MAGIC, Xz::<Buffered>::MAGIC, &[]][which];
        let _ = read(&[magic, &rest].concat(), &Keys::default());
    }
}
