//! The machine itself: power, services, accounts, network, kernel, logs.

use super::{Call, Options, look_at};
use crate::expand::Field;
use crate::labels;
use crate::walk::{Output, Walk, Walker};
use portcullis_sdk::{Effect, Verbs};

fn reads(walker: &mut Walker<'_>) -> Walk<Output> {
    walker.report.does(Effect::Read, Verbs::READ);
    Ok(None)
}

/// Services that watch or protect.
const GUARDS: [&str; 16] = [
    "auditd",
    "firewalld",
    "ufw",
    "fail2ban",
    "apparmor",
    "nftables",
    "iptables",
    "rsyslog",
    "syslog",
    "systemd-journald",
    "falcon-sensor",
    "clamav",
    "wazuh",
    "osqueryd",
    "falco",
    "sssd",
];

/// `systemctl`
pub fn systemctl(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let values = [
        "t", "type", "p", "property", "H", "host", "M", "machine", "n", "lines", "o", "output",
        "s", "signal", "state",
    ];
    let options = Options::read(call.args, &values, false);
    let guard = options.words.iter().skip(1).any(|f| {
        let unit = f.text.trim_end_matches(".service");
        GUARDS
            .iter()
            .any(|g| unit == *g || (f.glob && g.starts_with(unit.trim_end_matches('*'))))
    });
    let word = options.words.first().cloned().unwrap_or_default();
    let Some(verb) = word.certain() else {
        walker.report.say(labels::DYNAMIC_COMMAND);
        return Ok(None);
    };
    walker.report.does(Effect::Read, Verbs::ADMIN);
    match verb {
        "" | "status" | "show" | "cat" | "is-active" | "is-enabled" | "is-failed"
        | "list-units" | "list-unit-files" | "list-timers" | "list-sockets"
        | "list-dependencies" | "list-jobs" | "get-default" | "show-environment" | "help"
        | "is-system-running" | "list-machines" | "list-automounts" | "list-paths" => {
            return reads(walker);
        }
        "poweroff" | "reboot" | "halt" | "kexec" | "soft-reboot" | "suspend" | "hibernate"
        | "hybrid-sleep" | "rescue" | "emergency" | "isolate" | "exit" | "switch-root"
        | "default" => walker.report.say(labels::POWER_CONTROL),
        "enable" | "link" | "edit" | "add-wants" | "add-requires" | "set-default" | "preset"
        | "preset-all" | "revert" | "set-property" | "import-environment" | "set-environment" => {
            walker.report.say(labels::SERVICE_CONTROL);
            if call.args.iter().any(|f| f.text.contains('/'))
                || matches!(verb, "edit" | "link" | "set-default")
            {
                walker.report.say(labels::PERSISTENCE);
            }
        }
        "stop" | "disable" | "mask" | "kill" => walker.report.say(labels::SERVICE_STOP),
        _ => walker.report.say(labels::SERVICE_CONTROL),
    }
    if guard && matches!(verb, "stop" | "disable" | "mask" | "kill") {
        walker.report.say(labels::SECURITY_CONTROL_OFF);
    }
    Ok(None)
}

/// `service`, `rc-service`, `initctl`, `supervisorctl`, `pm2`, `sv`, `launchctl`
pub fn service(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let is = |words: &[&str]| call.args.iter().any(|f| words.contains(&f.text.as_str()));
    if is(&[
        "status",
        "--status-all",
        "list",
        "ls",
        "show",
        "logs",
        "jlist",
        "describe",
        "tail",
        "monit",
        "-t",
        "-T",
        "-v",
        "-V",
        "configtest",
    ]) && !is(&["stop", "start"])
    {
        return reads(walker);
    }
    if is(&["stop", "delete", "kill", "remove", "down", "unload"]) {
        walker.report.say(labels::SERVICE_STOP);
        if call.args.iter().any(|f| GUARDS.contains(&f.text.as_str())) {
            walker.report.say(labels::SECURITY_CONTROL_OFF);
        }
    } else {
        walker.report.say(labels::SERVICE_CONTROL);
    }
    Ok(None)
}

/// `shutdown`, `init`, `telinit`
pub fn power(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    if call.name == "shutdown" && call.says("-c") {
        walker.report.say(labels::SERVICE_CONTROL);
        return Ok(None);
    }
    walker.report.say(labels::POWER_CONTROL);
    walker.report.does(Effect::Destroy, Verbs::ADMIN);
    Ok(None)
}

/// `mount`, `umount`, `swapoff`, `losetup`
pub fn mount(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let asks = ["-l", "-a", "--all", "--list", "--show", "-s"];
    if call.args.is_empty()
        || (call.name != "umount"
            && call
                .args
                .iter()
                .all(|f| asks[..2].contains(&f.text.as_str()) || f.text == "-t"))
    {
        return reads(walker);
    }
    if call.name == "swapon" && call.args.iter().all(|f| asks.contains(&f.text.as_str())) {
        return reads(walker);
    }
    walker.report.say(labels::MOUNT_CHANGE);
    walker.report.does(Effect::Write, Verbs::ADMIN);
    if call.args.iter().any(|f| {
        f.text.starts_with("/dev/sd")
            || f.text.starts_with("/dev/nvme")
            || f.text.starts_with("/dev/vd")
    }) && call.args.iter().any(|f| f.text.contains("host"))
    {
        walker.report.say(labels::CONTAINER_ESCAPE);
    }
    Ok(None)
}

/// `ip`, `ifconfig`, `route`, `nmcli`, `tc`, …: asking is common, changing is not.
pub fn network(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let changes: &[&str] = match call.name {
        "ip" | "bridge" | "tc" => &[
            "add", "del", "delete", "set", "change", "replace", "flush", "append", "exec", "a",
            "d", "attach",
        ],
        "ifconfig" | "iwconfig" => &[
            "up", "down", "add", "del", "hw", "netmask", "promisc", "mtu", "essid", "key",
        ],
        "route" => &["add", "del", "delete", "flush"],
        "nmcli" => &[
            "add",
            "delete",
            "modify",
            "up",
            "down",
            "on",
            "off",
            "edit",
            "connect",
            "disconnect",
            "reload",
        ],
        "ethtool" => &["-s", "-K", "-G", "-C", "-A", "-p", "-E", "-f"],
        "arp" => &["-s", "-d"],
        "resolvectl" => &["dns", "domain", "revert", "flush-caches"],
        _ => &["set-hostname", "hostname"],
    };
    let changing = call
        .args
        .iter()
        .skip(usize::from(call.name == "ip"))
        .any(|f| changes.contains(&f.text.as_str()));
    let exec = call.name == "ip"
        && call
            .args
            .windows(2)
            .any(|w| w[0].text == "exec" || w[1].text == "exec");
    if exec {
        let at = call
            .args
            .iter()
            .position(|f| f.text == "exec")
            .map_or(0, |at| at + 2);
        walker.report.say(labels::NAMESPACE_ENTER);
        let words: Vec<Field> = call.args.get(at..).unwrap_or_default().to_vec();
        return super::run(walker, &words, call.input);
    }
    if call.args.iter().any(|f| f.open && f.multiple) {
        walker.report.say(labels::DYNAMIC_COMMAND);
    }
    match changing {
        true => walker.report.say(labels::NETWORK_CONFIG_CHANGE),
        false => return reads(walker),
    }
    Ok(None)
}

/// `iptables`, `nft`, `ufw`, `firewall-cmd`, `ipset`
pub fn firewall(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let text: Vec<&str> = call.args.iter().map(|f| f.text.as_str()).collect();
    let asks = match call.name {
        "nft" => text.contains(&"list") && !text.contains(&"-f"),
        "ufw" => matches!(
            text.first(),
            None | Some(&"status" | &"version" | &"show" | &"app")
        ),
        "firewall-cmd" => text.iter().all(|t| {
            t.starts_with("--list")
                || t.starts_with("--get")
                || t.starts_with("--zone")
                || t.starts_with("--state")
                || t.starts_with("--query")
                || t.starts_with("--info")
        }),
        "ipset" => matches!(text.first(), Some(&"list" | &"-L" | &"save" | &"test")),
        name if name.ends_with("-save") => true,
        name if name.ends_with("-restore") => false,
        _ => text.iter().any(|t| {
            matches!(
                *t,
                "-L" | "--list" | "-S" | "--list-rules" | "-C" | "--check"
            ) || (t.starts_with("-") && !t.starts_with("--") && t.contains('L'))
        }),
    };
    if asks {
        return reads(walker);
    }
    walker.report.say(labels::FIREWALL_CHANGE);
    let off = text
        .iter()
        .any(|t| matches!(*t, "-F" | "--flush" | "disable" | "reset" | "flush" | "-X"));
    if off {
        walker.report.say(labels::SECURITY_CONTROL_OFF);
    }
    Ok(None)
}

/// `sysctl`
pub fn sysctl(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let writes = call.args.iter().any(|f| {
        f.text.contains('=')
            || matches!(
                f.text.as_str(),
                "-w" | "--write" | "-p" | "--load" | "--system"
            )
            || f.open
    });
    if writes {
        walker.report.say(labels::KERNEL_SETTING);
        if call
            .args
            .iter()
            .any(|f| f.text.contains("core_pattern") || f.text.contains("modprobe"))
        {
            walker.report.say(labels::CONTAINER_ESCAPE);
        }
        return Ok(None);
    }
    reads(walker)
}

/// `modprobe`, `insmod`, `rmmod`, `kexec`, `dkms`, `bpftool`
pub fn kernel(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let asks = match call.name {
        "modprobe" => call.args.iter().any(|f| {
            matches!(
                f.text.as_str(),
                "-n" | "--dry-run"
                    | "-D"
                    | "--show-depends"
                    | "-c"
                    | "--showconfig"
                    | "--show-config"
            )
        }),
        "dkms" => call.verb() == "status",
        "bpftool" => call
            .args
            .iter()
            .any(|f| matches!(f.text.as_str(), "show" | "list" | "dump")),
        _ => false,
    };
    if asks {
        return reads(walker);
    }
    walker.report.say(labels::KERNEL_MODULE);
    Ok(None)
}

/// `setenforce`, `auditctl`, `aa-*`, `semanage`
pub fn security(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let asks = match call.name {
        "auditctl" => call
            .args
            .iter()
            .all(|f| matches!(f.text.as_str(), "-l" | "-s" | "-v")),
        "semanage" => call.says("-l") || call.says("--list"),
        _ => false,
    };
    if asks {
        return reads(walker);
    }
    walker.report.say(labels::SECURITY_CONTROL_OFF);
    Ok(None)
}

/// `journalctl`
pub fn journalctl(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let tampers = [
        "--vacuum",
        "--rotate",
        "--flush",
        "--relinquish",
        "--setup-keys",
    ];
    if call
        .args
        .iter()
        .any(|f| tampers.iter().any(|t| f.text.starts_with(t)))
    {
        walker.report.say(labels::LOG_TAMPERING);
    }
    look_at(walker, call.args)?;
    Ok(None)
}

/// `dmesg`, `logrotate`, `utmpdump`, `last`: clearing is tampering.
pub fn logs(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let clears = match call.name {
        "dmesg" => call.args.iter().any(|f| {
            matches!(
                f.text.as_str(),
                "-C" | "--clear" | "-c" | "--read-clear" | "-D" | "-n"
            )
        }),
        "logrotate" => !call
            .args
            .iter()
            .any(|f| f.text == "-d" || f.text == "--debug"),
        _ => call.args.iter().any(|f| f.text == "-r"),
    };
    if clears {
        walker.report.say(labels::LOG_TAMPERING);
        return Ok(None);
    }
    reads(walker)
}

/// `hostname`, `date`, `hostnamectl`, `timedatectl`, `localectl`, `loginctl`: with a value they set it.
pub fn setting(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let sets = match call.name {
        "hostname" | "domainname" => call.args.iter().any(|f| !f.text.starts_with('-')),
        "date" => call.args.iter().any(|f| {
            f.text == "-s"
                || f.text.starts_with("--set")
                || f.text.starts_with("-s")
                || f.text.starts_with(|c: char| c.is_ascii_digit())
        }),
        _ => !matches!(
            call.verb(),
            "" | "status"
                | "show"
                | "list"
                | "list-timezones"
                | "list-sessions"
                | "list-users"
                | "session-status"
                | "user-status"
                | "show-user"
                | "show-session"
                | "timesync-status"
        ),
    };
    // The value of `-d` is no date to set.
    let asks = call.name == "date"
        && call.args.iter().any(|f| {
            f.text == "-d"
                || f.text.starts_with("--date")
                || f.text == "-r"
                || f.text.starts_with('+')
        });
    match sets && !asks {
        true => walker.report.say(labels::NETWORK_CONFIG_CHANGE),
        false => return reads(walker),
    }
    Ok(None)
}

/// `passwd`, `chage`, `gpasswd`: asking for a status changes nothing.
pub fn account(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let asks = match call.name {
        "passwd" => call.says("-S") || call.says("--status"),
        "chage" => call.says("-l") || call.says("--list"),
        "visudo" => call.says("-c") || call.says("--check"),
        "faillock" | "pam_tally2" => !call.says("--reset"),
        "ldapsearch" => true,
        _ => false,
    };
    if asks {
        return reads(walker);
    }
    walker.report.say(match call.name {
        "visudo" => labels::SUDOERS_CHANGE,
        _ => labels::ACCOUNT_CHANGE,
    });
    walker
        .report
        .does(Effect::Escalate, Verbs::PRIV | Verbs::ADMIN);
    let sudo = [
        "sudo", "wheel", "root", "docker", "admin", "adm", "lxd", "disk", "shadow",
    ];
    let grants = call
        .args
        .iter()
        .any(|f| f.text.split(',').any(|group| sudo.contains(&group)));
    if grants && call.name != "userdel" {
        walker.report.say(labels::SUDOERS_CHANGE);
    }
    Ok(None)
}
