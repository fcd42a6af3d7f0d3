//! What files hold, looked at each turn and read as seldom as the kernel lets it be known that they are the same.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use anyhow::Result;
use muster_proto::Digest;
use rustix::fs::Stat;
use rustix::time::{ClockId, clock_gettime};

use super::super::walk::{Place, Root};
use super::{
    Attributes, NewFile, check_plain, check_regular, digest_of, open_checked, read_limited, write_each,
};

/// A change within the clock's own grain of the last one leaves no trace in the times of a file.
const SETTLED_SECONDS: i64 = 2;

/// A regular file as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) digest: Digest,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mode: u32,
    pub(crate) size: u64,
    /// Whether it has other names, by hard links: those who have them see what is changed in it.
    pub(crate) is_linked: bool,
}

/// What files held when they were last read, for as long as the kernel says that they are the same. It can't tell of what
/// changed below it, such as on a failing disk, so that each file is read again once a day.
#[derive(Debug, Default)]
pub(crate) struct Digests {
    known: BTreeMap<String, Known>,
    /// What was written and not looked at since, by what shows that it is still that.
    written: BTreeMap<String, ([i128; 5], Digest)>,
    /// The directory that was reached last, for the next file in it.
    last: Option<(String, Rc<OwnedFd>)>,
    /// Counts turns.
    turn: u64,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    stamp: Stamp,
    digest: Digest,
    /// When it is read again whatever the kernel says, in seconds since boot.
    due: i64,
    /// In which turn it was last looked at.
    turn: u64,
}

/// Seconds after which a file is read again, and over how many more the files are spread, so that not all come at once.
const READ_AGAIN: i64 = 24 * 60 * 60;
const SPREAD: u64 = 6 * 60 * 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp([i128; 7]);

impl Stamp {
    /// What changes in a stat when the content does.
    pub(crate) fn of(stat: &Stat) -> Self {
        Self([
            i128::from(stat.st_dev),
            i128::from(stat.st_ino),
            i128::from(stat.st_size),
            i128::from(stat.st_mtime),
            i128::from(stat.st_mtime_nsec),
            i128::from(stat.st_ctime),
            i128::from(stat.st_ctime_nsec),
        ])
    }

    /// What stays as it is when the file only gets another name, owner or mode.
    fn of_content(self) -> [i128; 5] {
        let [device, inode, size, seconds, nanoseconds, ..] = self.0;
        [device, inode, size, seconds, nanoseconds]
    }

    /// By what the file itself is known, whatever it holds: its device and its number there.
    pub(in crate::host) fn inode(&self) -> (i128, i128) {
        (self.0[0], self.0[1])
    }
}

/// By what the file at `path` shows that it changed, and whether it did not within the clock's own grain; `None` when there is
/// nothing.
pub(in crate::host) fn stamp(root: &Root, path: &str) -> Result<Option<(Stamp, bool)>> {
    let Some(place) = root.place(path)? else { return Ok(None) };
    Ok(place.stat()?.map(|stat| (Stamp::of(&stat), is_settled(&stat))))
}

fn is_settled(stat: &Stat) -> bool {
    stat.st_ctime.saturating_add(SETTLED_SECONDS) < seconds(ClockId::Realtime)
}

impl Digests {
    /// Has the way to each directory gone anew: what is looked at next may be in another than it was.
    pub(crate) fn go_anew(&mut self) {
        self.last = None;
    }

    /// Begins a turn that looks at every file there is to know.
    pub(crate) fn begin_turn(&mut self) {
        self.turn += 1;
        self.written.clear();
    }

    /// As [`write_all`]. The next look at such a file takes it for what was written, where its inode, size and time of change say
    /// that nobody wrote to it since; the one after that reads it, as these say nothing of what is done at the same moment.
    pub(crate) fn write_all(&mut self, root: &Root, files: &[NewFile]) -> Vec<Result<()>> {
        let mut note = |(file, written): (&NewFile, Result<Stamp>)| {
            let stamp = written?.of_content();
            self.written.insert(file.path.clone(), (stamp, Digest::of(&file.content)));
            Ok(())
        };
        files.iter().zip(write_each(root, files)).map(&mut note).collect()
    }

    /// Forgets files that the turn did not ask for.
    pub(crate) fn end_turn(&mut self) {
        let turn = self.turn;
        self.known.retain(|_, known| known.turn == turn);
    }

    fn place(&mut self, root: &Root, path: &str) -> Result<Option<Place>> {
        if let (Some((above, dir)), Some((is, name))) = (&self.last, path.rsplit_once('/'))
            && above == is
        {
            return Place::within(dir, name).map(Some);
        }
        let place = root.place(path)?;
        let above = path.rsplit_once('/').map_or("", |(above, _)| above);
        self.last = place.as_ref().map(|place| (above.to_owned(), Rc::clone(&place.dir)));
        Ok(place)
    }

    /// The file at `path`, if that is its only name; `None` when there is nothing.
    pub(crate) fn look(&mut self, root: &Root, path: &str) -> Result<Option<Seen>> {
        self.look_at(root, path, check_plain)
    }

    /// As [`Digests::look`], however many names it has and even if it can't be read: whoever owns a file can make it larger than
    /// is read, or hold it by a lease of the kernel's. The digest is then one of what it shows, which nothing holds.
    pub(crate) fn look_at_any(&mut self, root: &Root, path: &str) -> Result<Option<Seen>> {
        self.look_at(root, path, check_regular).or_else(|error| {
            let Some(place) = self.place(root, path)? else { return Ok(None) };
            let Some(stat) = place.stat()? else { return Ok(None) };
            if check_regular(&stat).is_err() {
                return Err(error);
            }
            let shown = format!("what can't be read, {:?}", Stamp::of(&stat));
            Ok(Some(seen(Digest::of(shown.as_bytes()), &stat)))
        })
    }

    fn look_at(&mut self, root: &Root, path: &str, check: fn(&Stat) -> Result<()>) -> Result<Option<Seen>> {
        // Whatever this look finds: what comes back to this path later may have been changed meanwhile.
        let written = self.written.remove(path);
        let Some(place) = self.place(root, path)? else { return Ok(None) };
        let Some(stat) = place.stat()? else { return Ok(None) };
        check(&stat)?;
        let stamp = Stamp::of(&stat);
        if let Some((written, digest)) = written
            && written == stamp.of_content()
        {
            return Ok(Some(seen(digest, &stat)));
        }
        let since_boot = seconds(ClockId::Boottime);
        if let Some(known) = self.known.get_mut(path)
            && known.stamp == stamp
            && since_boot < known.due
        {
            known.turn = self.turn;
            return Ok(Some(seen(known.digest, &stat)));
        }
        let Some((file, stat)) = open_checked(&place, check)? else { return Ok(None) };
        let digest = digest_of(&file)?;
        if is_settled(&stat) {
            let due = since_boot + READ_AGAIN + (stat.st_ino % SPREAD).cast_signed();
            self.known
                .insert(path.to_owned(), Known { stamp: Stamp::of(&stat), digest, due, turn: self.turn });
        } else {
            self.known.remove(path);
        }
        Ok(Some(seen(digest, &stat)))
    }
}

/// As [`super::content`], however many names the file has, with its owner and mode.
pub(crate) fn content_of_any(root: &Root, path: &str, limit: u64) -> Result<Option<(Vec<u8>, Attributes)>> {
    let Some(place) = root.place(path)? else { return Ok(None) };
    let Some((file, stat)) = open_checked(&place, check_regular)? else { return Ok(None) };
    Ok(Some((read_limited(file, limit)?, Attributes::of(&stat))))
}

fn seconds(clock: ClockId) -> i64 {
    clock_gettime(clock).tv_sec
}

fn seen(digest: Digest, stat: &Stat) -> Seen {
    Seen {
        digest,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mode: stat.st_mode & 0o7777,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        is_linked: stat.st_nlink > 1,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::tests::{file, root};
    use super::*;

    #[test]
    fn a_changed_file_is_noticed_even_when_its_size_and_time_are_put_back() {
        let (dir, root) = root();
        let path = dir.path().join("x");
        fs::write(&path, "one").unwrap();
        let mut digests = Digests::default();
        let first = digests.look(&root, "/x").unwrap().unwrap();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "two").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        let second = digests.look(&root, "/x").unwrap().unwrap();
        assert_eq!(first.digest, Digest::of(b"one"));
        assert_eq!(second.digest, Digest::of(b"two"));
    }

    #[test]
    fn a_file_is_read_again_once_it_is_due_whatever_the_kernel_says_of_it() {
        let (dir, root) = root();
        fs::write(dir.path().join("x"), "decayed").unwrap();
        let stamp = Stamp::of(&rustix::fs::stat(dir.path().join("x")).unwrap());
        let mut digests = Digests::default();
        for (due, expected) in [(i64::MAX, Digest::of(b"sound")), (0, Digest::of(b"decayed"))] {
            digests
                .known
                .insert("/x".to_owned(), Known { stamp, digest: Digest::of(b"sound"), due, turn: 0 });
            assert_eq!(digests.look(&root, "/x").unwrap().unwrap().digest, expected);
        }
    }

    #[test]
    fn a_file_that_is_large_beyond_measure_is_named_and_not_read() {
        let (dir, root) = root();
        let file = fs::File::create(dir.path().join("sparse")).unwrap();
        file.set_len(1 << 40).unwrap();
        let error = Digests::default().look(&root, "/sparse").unwrap_err();
        assert!(format!("{error:#}").contains("more than 256 MiB"), "{error:#}");
    }

    #[test]
    fn a_look_at_one_file_between_turns_keeps_what_is_known_of_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let names = ["/x", "/y"];
        let mut digests = Digests::default();
        digests.begin_turn();
        for name in names {
            fs::write(dir.path().join(&name[1..]), "x").unwrap();
            let stamp = stamp(&root, name).unwrap().unwrap().0;
            let known = Known { stamp, digest: Digest::of(b"x"), due: i64::MAX, turn: digests.turn };
            digests.known.insert(name.to_owned(), known);
        }
        digests.end_turn();
        digests.look(&root, "/x").unwrap().unwrap();
        assert_eq!(digests.known.len(), 2);
        digests.begin_turn();
        digests.look(&root, "/x").unwrap().unwrap();
        digests.end_turn();
        assert_eq!(digests.known.keys().collect::<Vec<_>>(), ["/x"], "nobody asked for the other");
    }

    #[test]
    fn what_was_written_is_read_again_where_somebody_wrote_to_it_since_and_at_the_second_look_anyway() {
        let (dir, root) = root();
        let mut digests = Digests::default();
        let at = |name: &str| dir.path().join(name);
        let seen = |digests: &mut Digests, path| digests.look(&root, path).unwrap().unwrap().digest;
        let results = digests.write_all(&root, &[file("/kept", "right"), file("/changed", "right")]);
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        fs::write(at("changed"), "wrong, and longer").unwrap();
        assert_eq!(seen(&mut digests, "/changed"), Digest::of(b"wrong, and longer"));
        assert_eq!(seen(&mut digests, "/kept"), Digest::of(b"right"));

        // At the very moment of the write, by which its times do not change.
        let times = fs::metadata(at("kept")).unwrap().modified().unwrap();
        fs::write(at("kept"), "wrong").unwrap();
        fs::File::options().write(true).open(at("kept")).unwrap().set_modified(times).unwrap();
        assert_eq!(seen(&mut digests, "/kept"), Digest::of(b"wrong"));
    }

    #[test]
    fn a_look_that_is_refused_or_finds_nothing_is_the_only_one_that_what_was_written_is_good_for() {
        let (dir, root) = root();
        let at = |name: &str| dir.path().join(name);
        for (away, back) in [
            (fs::hard_link as fn(_, _) -> _, (|other, _| fs::remove_file(other)) as fn(_, _) -> _),
            (fs::rename, fs::rename),
        ] {
            let mut digests = Digests::default();
            digests.write_all(&root, &[file("/x", "right")]).remove(0).unwrap();
            let times = fs::metadata(at("x")).unwrap().modified().unwrap();
            away(at("x"), at("other")).unwrap();
            assert!(!matches!(digests.look(&root, "/x"), Ok(Some(_))));
            back(at("other"), at("x")).unwrap();
            fs::write(at("x"), "wrong").unwrap();
            fs::File::options().write(true).open(at("x")).unwrap().set_modified(times).unwrap();
            assert_eq!(digests.look(&root, "/x").unwrap().unwrap().digest, Digest::of(b"wrong"));
        }
    }

    #[test]
    fn another_file_in_the_place_of_what_was_written_is_not_taken_for_it() {
        let (dir, root) = root();
        let mut digests = Digests::default();
        digests.write_all(&root, &[file("/x", "right")]).remove(0).unwrap();
        let times = fs::metadata(dir.path().join("x")).unwrap().modified().unwrap();
        fs::write(dir.path().join("other"), "wrong").unwrap();
        fs::File::options().write(true).open(dir.path().join("other")).unwrap().set_modified(times).unwrap();
        fs::rename(dir.path().join("other"), dir.path().join("x")).unwrap();
        assert_eq!(digests.look(&root, "/x").unwrap().unwrap().digest, Digest::of(b"wrong"));
    }
}
