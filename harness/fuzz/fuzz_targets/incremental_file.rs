#![no_main]

use basebackup::incremental::{Header, PagePlan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (&[u8], &[u8], u32)| {
    let (newest, older, whole) = data;
    let read = |bytes: &[u8]| Header::read("x", &mut &*bytes, bytes.len() as u64);
    if let Ok(Ok(header)) = read(newest) {
        let mut plan = PagePlan::of(&header);
        if let Ok(Ok(older)) = read(older) {
            plan.add(1, &older);
        }
        plan.add_whole(2, u64::from(whole));
        let pages: u32 = plan.runs().iter().map(|run| run.pages).sum();
        assert_eq!(pages, header.rebuilt_pages());
    }
});
