//! Kinds that set up the system itself, as far as a file system can stand for it.

use super::*;

impl Machine {
    /// A file with the directories above it.
    fn put(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// Applies, applies again, takes back; fails unless the second changes nothing and the last leaves all as it was.
    async fn applies_once_and_goes_without_a_trace(&mut self, wanted: &Composition) {
        let before = self.snapshot();
        assert_eq!(self.converge(wanted).await, BTreeMap::new());
        assert_eq!(self.plan(wanted).await.steps, []);
        assert_eq!(self.converge(&Composition::default()).await, BTreeMap::new());
        assert_eq!(self.snapshot(), before);
        assert!(self.records.is_empty(), "{:?}", self.records);
    }
}

const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
const FORWARD_FILE: &str = "/etc/sysctl.d/90-muster-net.ipv4.ip_forward.conf";

fn forwarding() -> Machine {
    let machine = Machine::new();
    machine.put(FORWARD, "0\n");
    machine.put("/proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n");
    machine.put("/proc/sys/net/ipv4/conf/eth0.100/rp_filter", "0\n");
    fs::create_dir(machine.path("/etc/sysctl.d")).unwrap();
    machine
}

#[test]
fn a_setting_of_the_kernel_is_made_now_and_for_every_boot_kept_and_put_back() {
    let mut machine = forwarding();
    let wanted = composition(&[
        json!({"sysctl": {"name": "net.ipv4.ip_forward", "value": 1}}),
        json!({"sysctl": {"name": "net.ipv4.tcp_rmem", "value": "4096  131072 6291456"}}),
        json!({"sysctl": {"name": "net.ipv4.conf.eth0/100.rp_filter", "value": "2"}}),
    ]);
    block_on(async {
        machine.applies_once_and_goes_without_a_trace(&wanted).await;
        assert_eq!(machine.converge(&wanted).await, BTreeMap::new());
        assert_eq!(machine.text(FORWARD), "1\n");
        let file = "# Managed by Muster: sysctl:net.ipv4.ip_forward\nnet.ipv4.ip_forward = 1\n";
        assert_eq!(machine.text(FORWARD_FILE), file);
        assert_eq!(machine.text("/proc/sys/net/ipv4/conf/eth0.100/rp_filter"), "2\n");
        assert!(machine.path("/etc/sysctl.d/90-muster-net.ipv4.conf.eth0,100.rp_filter.conf").exists());
        let made = machine.snapshot();

        machine.put(FORWARD, "0\n");
        fs::set_permissions(machine.path(FORWARD_FILE), fs::Permissions::from_mode(0o666)).unwrap();
        let drift = machine.plan(&wanted).await;
        let differing: Vec<_> = drift.steps[0].differences.iter().map(|d| d.attribute.as_str()).collect();
        assert_eq!(differing, ["file", "value"]);
        assert_eq!(machine.converge(&wanted).await, BTreeMap::new());
        assert_eq!(machine.snapshot(), made);
    });
}

#[test]
fn a_key_that_the_kernel_lacks_or_that_is_none_is_said_and_nothing_is_written() {
    let mut machine = forwarding();
    let before = machine.snapshot();
    let reasons = block_on(machine.converge(&composition(&[
        json!({"sysctl": {"name": "net.ipv4.nope", "value": 1}}),
        json!({"sysctl": {"name": "net.nope.nope", "value": 1}}),
        json!({"sysctl": {"name": "net.ipv4.conf", "value": 1}}),
    ])));
    assert!(reasons["sysctl:net.ipv4.nope"].contains("this kernel has no net.ipv4.nope"), "{reasons:?}");
    assert!(reasons["sysctl:net.nope.nope"].contains("this kernel has no"), "{reasons:?}");
    assert!(reasons["sysctl:net.ipv4.conf"].contains("stands for several keys"), "{reasons:?}");
    assert_eq!(machine.snapshot(), before);
}

#[test]
fn a_setting_whose_key_is_gone_is_taken_back_as_far_as_there_is_something_left_of_it() {
    let mut machine = forwarding();
    let wanted = composition(&[json!({"sysctl": {"name": "net.ipv4.ip_forward", "value": 1}})]);
    block_on(async {
        machine.converge(&wanted).await;
        fs::remove_file(machine.path(FORWARD)).unwrap();
        assert_eq!(machine.converge(&Composition::default()).await, BTreeMap::new());
    });
    assert!(!machine.path(FORWARD_FILE).exists() && !machine.path(FORWARD).exists());
    assert!(machine.records.is_empty());
}

#[test]
fn what_is_planted_in_place_of_a_file_of_musters_own_is_named_and_left_alone() {
    let mut machine = forwarding();
    machine.put("/etc/secret", "secret");
    let wanted = composition(&[json!({"sysctl": {"name": "net.ipv4.ip_forward", "value": 1}})]);
    symlink("/etc/secret", machine.path(FORWARD_FILE)).unwrap();
    let before = machine.snapshot();
    let reasons = block_on(machine.converge(&wanted));
    assert!(reasons["sysctl:net.ipv4.ip_forward"].contains("a symbolic link"), "{reasons:?}");
    assert_eq!(machine.snapshot(), before);

    fs::remove_file(machine.path(FORWARD_FILE)).unwrap();
    machine.put(FORWARD_FILE, "net.ipv4.ip_forward = 0\n");
    chown(machine.path(FORWARD_FILE), Some(1000), Some(1000)).unwrap();
    let before = machine.snapshot();
    let reasons = block_on(machine.converge(&wanted));
    assert!(reasons["sysctl:net.ipv4.ip_forward"].contains("Muster did not make it"), "{reasons:?}");
    assert_eq!(machine.snapshot(), before);

    chown(machine.path(FORWARD_FILE), Some(0), Some(0)).unwrap();
    block_on(machine.applies_once_and_goes_without_a_trace(&wanted));
    assert_eq!(machine.text(FORWARD_FILE), "net.ipv4.ip_forward = 0\n", "an admin's file comes back");
}
