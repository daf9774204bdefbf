//! What is a transfer, and what only looks like one.

use super::*;

fn check(command: &str, tool: Tool, way: Way, paths: &[&str], patterns: bool) {
    let paths = paths.iter().map(|p| p.as_bytes().to_vec()).collect();
    let want = Transfer {
        tool,
        way,
        paths,
        patterns,
    };
    assert_eq!(recognise(command.as_bytes()), Some(want), "{command}");
}

#[test]
fn clients_that_are_in_use_are_recognised() {
    check("scp -t /srv/x", Tool::Scp, Way::Up, &["/srv/x"], false);
    check(
        "scp -v -r -p -d -t -- '/srv/a b'",
        Tool::Scp,
        Way::Up,
        &["/srv/a b"],
        false,
    );
    check(
        "scp -f -- /var/log/*.log",
        Tool::Scp,
        Way::Down,
        &["/var/log/*.log"],
        true,
    );
    check(
        "/usr/bin/scp -pf ~/x y",
        Tool::Scp,
        Way::Down,
        &["~/x", "y"],
        true,
    );
    check("scp -f '*.log'", Tool::Scp, Way::Down, &["*.log"], false);
    check(
        "rsync --server -vlogDtpre.iLfxCIvu . /srv/app/",
        Tool::Rsync,
        Way::Up,
        &["/srv/app/"],
        false,
    );
    check(
        "rsync --server --sender -logDtpre.iLfxCIvu --timeout=5 --partial . /srv/my\\ app",
        Tool::Rsync,
        Way::Down,
        &["/srv/my app"],
        false,
    );
    check(
        "git-upload-pack '/srv/x.git'",
        Tool::Git,
        Way::Down,
        &["/srv/x.git"],
        false,
    );
    check(
        "git-receive-pack 'x/y.git'",
        Tool::Git,
        Way::Up,
        &["x/y.git"],
        false,
    );
    check(
        "git upload-archive 'x.git'",
        Tool::Git,
        Way::Down,
        &["x.git"],
        false,
    );
    check(
        "/usr/lib/openssh/sftp-server",
        Tool::Sftp,
        Way::Both,
        &[],
        false,
    );
}

#[test]
fn whatever_else_a_command_may_be_is_no_transfer() {
    for command in [
        "",
        "scp",
        "scp x y",
        "scp -t",
        "scp -t -f x",
        "scp -t a b",
        "scp -t -- a b; id",
        "scp -S /tmp/evil -t x",
        "scp -oProxyCommand=id -f x",
        "scp -f -oProxyCommand=id",
        "scp -f $(id)",
        "scp -f `id`",
        "scp -f x > /etc/passwd",
        "scp -f x | sh",
        "scp -f x & id",
        "scp -f x\nid",
        "scp -f \"$x\"",
        "scp -f <(id)",
        "PATH=/tmp scp -f x",
        "sudo scp -f x",
        "/tmp/scp -f x",
        "./scp -f x",
        "'scp' -f",
        "scp -f ''",
        "~/scp -f x",
        "sc* -f x",
        "rsync -a /etc /tmp",
        "rsync --server --daemon .",
        "rsync --server -e ssh . x",
        "rsync --server -esh . x",
        "rsync --server --rsh=sh . x",
        "rsync --server --log-file=/etc/passwd -v . x",
        "rsync --server --files-from=/etc/shadow -v . x",
        "rsync --server --write-batch=x -v . x",
        "rsync --server --temp-dir=/etc -v . x",
        "rsync --server -v x",
        "rsync --server -v . -e",
        "rsync --server -vs .",
        "rsync --server -v .",
        "git-upload-pack",
        "git-upload-pack --upload-pack=id x",
        "git-upload-pack '-x'",
        "git-upload-pack x y",
        "git -c core.sshCommand=id upload-pack x",
        "git-shell x",
        "git-daemon x",
        "/usr/lib/openssh/sftp-server -l VERBOSE",
        "/tmp/sftp-server",
        "scp -f 'x",
        "scp -f x\\",
        "scp -f x !!",
        "scp -f x #y",
    ] {
        assert_eq!(recognise(command.as_bytes()), None, "{command}");
    }
    assert_eq!(recognise(b"scp -f \0x"), None);
    assert!(recognise(b"scp -f -- \xff\xfe").is_some());
}
