//! What a process has in memory and does not need, given back to the system.
//!
//! The agent is idle nearly always, and what it costs then is what a machine pays for it. Two things stay behind by themselves after it
//! was busy: what the allocator keeps of the heap, and the pages of the program's own file. Of these the kernel maps sixteen
//! wherever one is touched, and never takes them away while there is room.

use std::ffi::c_void;
use std::fs;
use std::io;
use std::ops::Range;

use rustix::mm::{Advice, madvise};

/// Gives back what nothing is in: of the heap what is free, of files what can be had from them again.
///
/// # Errors
///
/// When `/proc/self/smaps` can't be read, or the kernel refuses.
pub fn give_back() -> io::Result<()> {
    give_back_heap();
    for range in unwritten(&fs::read_to_string("/proc/self/smaps")?) {
        give_back_file(range)?;
    }
    Ok(())
}

#[expect(unsafe_code, reason = "a function of the C library")]
fn give_back_heap() {
    // SAFETY: it takes no address and touches nothing that is allocated. Any thread may call it at any time, as malloc_trim(3) says.
    unsafe { libc::malloc_trim(0) };
}

#[expect(unsafe_code, reason = "a call about raw addresses")]
fn give_back_file(range: Range<usize>) -> io::Result<()> {
    let start = std::ptr::without_provenance_mut::<c_void>(range.start);
    // SAFETY: `unwritten` gives only what is mapped privately from a file, can't be written to, and of which no page is a copy of this
    // process's own. Whoever touches a page of it next gets the same bytes from that file again, as for a page that was never
    // touched before. Nothing unmaps or replaces these mappings, which are the program and its libraries.
    unsafe { madvise(start, range.len(), Advice::LinuxDontNeed) }?;
    Ok(())
}

/// Of what `/proc/self/smaps` says is mapped: that which is of a file and the same as in it, as this process never wrote to it.
///
/// What was relocated when the program was loaded can't be written to any more either, and is lost if it is given back: of that the
/// kernel counts pages as anonymous, or as swapped out.
fn unwritten(smaps: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = vec![];
    let mut is_candidate = false;
    for line in smaps.lines() {
        if let Some((range, is_file)) = mapping(line) {
            is_candidate = is_file;
            if is_file {
                found.push(range);
            }
        } else if is_candidate && is_written(line) {
            found.pop();
            is_candidate = false;
        }
    }
    found
}

/// The first line of a mapping: its addresses, and whether it is a private one of a file that can only be read or run.
fn mapping(line: &str) -> Option<(Range<usize>, bool)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
    let rights = fields.next()?;
    // Its place in the file, device, inode; then the path.
    let is_file = fields.nth(3).is_some_and(|path| path.starts_with('/'));
    Some((range, is_file && matches!(rights, "r--p" | "r-xp")))
}

/// Whether a line tells of pages of the process's own: any size but nothing, and one that can't be read.
fn is_written(line: &str) -> bool {
    let size = |name| line.strip_prefix(name).map(str::trim);
    size("Anonymous:").or_else(|| size("Swap:")).is_some_and(|size| size != "0 kB")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROGRAM: &str = "\
55d0c0000000-55d0c01fa000 r--p 00000000 fd:00 131 /usr/bin/muster-agent
Rss:                 128 kB
Anonymous:             0 kB
Swap:                  0 kB
55d0c01fa000-55d0c0745000 r-xp 001f9000 fd:00 131 /usr/bin/muster-agent (deleted)
Anonymous:             0 kB
Swap:                  0 kB
55d0c0745000-55d0c0780000 r--p 00743000 fd:00 131 /usr/bin/muster-agent
Anonymous:           236 kB
Swap:                  0 kB
55d0c0780000-55d0c0788000 r--p 0077e000 fd:00 131 /usr/lib/libc.so.6
Anonymous:             0 kB
Swap:                  8 kB
55d0c0788000-55d0c0790000 rw-p 0077e000 fd:00 131 /usr/bin/muster-agent
Anonymous:             0 kB
7ffd5e5c5000-7ffd5e5c7000 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
7f0000000000-7f0000001000 r--s 00000000 00:05 7 /dev/shm/x
Anonymous:             0 kB
";

    #[test]
    fn only_what_is_as_in_its_file_is_given_back() {
        assert_eq!(
            unwritten(PROGRAM),
            [0x55d0_c000_0000..0x55d0_c01f_a000, 0x55d0_c01f_a000..0x55d0_c074_5000]
        );
    }

    #[test]
    fn the_program_runs_on_with_fewer_pages_of_its_file() {
        let resident = || {
            let smaps = fs::read_to_string("/proc/self/smaps").expect("smaps is there");
            let own = std::env::current_exe().expect("the program has a path");
            let of_program = |line: &&str| line.ends_with(&*own.to_string_lossy());
            let mut lines = smaps.lines();
            let mut sum = 0;
            while lines.find(of_program).is_some() {
                let rss = lines.find_map(|line| line.strip_prefix("Rss:")).expect("each mapping has it");
                sum += rss.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB");
            }
            sum
        };
        let sorted = || {
            let mut words: Vec<String> =
                (0..1000).map(|number| format!("{:x}", number * 7919 % 1000)).collect();
            words.sort();
            words
        };
        let (before, all) = (sorted(), resident());
        give_back().expect("the kernel takes it");
        let left = resident();
        assert!(left < all, "{left} kB of {all}");
        assert_eq!(sorted(), before);
    }

    proptest! {
        #[test]
        fn whatever_the_kernel_says_nothing_that_can_be_written_is_given_back(
            start in 0usize..1 << 47, pages in 1usize..1000, rights in "[r-][w-][x-][ps]", anonymous in 0u32..3, swap in 0u32..3,
        ) {
            let end = start + pages * 4096;
            let smaps = format!(
                "{start:x}-{end:x} {rights} 00000000 fd:00 131 /usr/bin/x\nAnonymous: {anonymous} kB\nSwap: {swap} kB\n"
            );
            let is_unwritten = !rights.contains('w') && anonymous == 0 && swap == 0;
            prop_assert!(unwritten(&smaps).is_empty() || is_unwritten);
        }

        #[test]
        fn anything_else_is_not_a_mapping(text in "\\PC{0,200}") {
            prop_assert!(unwritten(&text).len() <= text.lines().count());
        }
    }
}
