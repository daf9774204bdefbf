//! The programs that are known.

use super::Program::{self, Changes, Depends, Names, Project, Reads, Says};
use super::{
    builtins, clouds, cluster, code, containers, databases, files, find, git, network, packages,
    permissions, remote, system, wrap,
};
use crate::labels;
use std::sync::OnceLock;

/// The program of this name.
pub fn find(name: &str) -> Option<&'static Program> {
    let all = sorted();
    let at = all.binary_search_by_key(&name, |(known, _)| *known).ok()?;
    all.get(at).map(|(_, program)| *program)
}

/// All of them by name; made once, before the first message.
pub fn sorted() -> &'static [(&'static str, &'static Program)] {
    static SORTED: OnceLock<Vec<(&str, &Program)>> = OnceLock::new();
    SORTED.get_or_init(|| {
        let mut all: Vec<_> = NAMED
            .iter()
            .map(|(name, program)| (*name, program))
            .collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all
    })
}

macro_rules! programs {
    ($($program:expr => $($name:literal)+;)+) => {
        static NAMED: &[(&str, Program)] = &[$($(($name, $program),)+)+];
    };
}

programs! {
    Names =>
        "[" ":" "true" "false" "exit" "return" "break" "continue" "wait" "jobs" "fg" "bg" "disown" "times" "type" "which" "whereis" "ls" "dir" "vdir" "ll" "exa" "eza" "tree" "stat" "file" "pwd" "dirs"
        "basename" "dirname" "realpath" "readlink" "id" "whoami" "groups" "who" "w" "users" "tty" "uname" "arch" "uptime" "free" "vmstat" "iostat" "mpstat" "sar" "pidstat" "nproc" "getconf"
        "df" "du" "lsblk" "blkid" "lscpu" "lsmem" "lspci" "lsusb" "lsmod" "modinfo" "lsof" "lsns" "lslocks" "findmnt" "ps" "pgrep" "pidof" "pstree" "top" "htop" "btop" "atop" "iotop" "ss" "netstat" "iftop" "nethogs"
        "cal" "sleep" "seq" "yes" "tput" "clear" "reset" "locale" "getent" "last" "lastb" "lastlog" "ulimit" "expr" "bc" "dc" "factor" "numfmt" "mktemp" "sync"
        "sestatus" "getenforce" "aa-status" "lsb_release" "hostid" "finger" "quota" "repquota" "ipcs" "getfacl" "getcap" "lsattr" "namei" "pmap" "smem" "numastat" "slabtop" "dmidecode" "lshw" "hwinfo" "inxi" "sensors"
        "apropos" "whatis" "info" "tldr" "help" "bind" "stty" "logname" "tload" "nvidia-smi" "rocm-smi" "apt-cache" "dpkg-query" "repoquery" "needs-restarting" "checkupdates"
        "neofetch" "fastfetch" "screenfetch" "runlevel" "systemd-analyze" "systemd-detect-virt" "systemd-cgls" "systemd-cgtop" "systemd-path" "chronyc" "ntpq" "smartctl" "pvs" "vgs" "lvs" "pvdisplay" "vgdisplay" "lvdisplay" "kubectx" "kubens" "stern" "actionlint" "shellcheck" "hadolint" "yamllint" "jsonlint" "promtool" "kubeconform" "kubeval" "kube-score" "tflint" "checkov" "trivy" "grype" "syft" "conftest" "opa" "cloc" "tokei" "scc" "loc" "pg_isready" "pg_lsclusters";
    Reads =>
        "head" "tail" "nl" "wc" "cut" "paste" "tr" "uniq" "comm" "diff" "cmp" "diff3" "sdiff" "colordiff" "join" "fold" "fmt" "pr" "column" "expand" "unexpand" "od" "xxd" "hexdump" "hd" "strings" "tac" "shuf"
        "grep" "egrep" "fgrep" "zgrep" "rg" "ag" "ack" "zcat" "bzcat" "xzcat" "zstdcat" "zless" "zmore" "zdiff" "bat" "batcat" "jq" "yq" "xmllint" "xmlstarlet" "csvcut" "csvlook" "csvgrep" "mlr" "gron" "fx" "dasel" "md5sum" "sha1sum" "sha224sum" "sha256sum" "sha384sum" "sha512sum" "b2sum" "cksum" "sum"
        "base32" "iconv" "gettext" "envsubst" "ldd" "nm" "objdump" "readelf" "size" "pv" "look" "rgrep" "pcregrep" "lessecho" "multitail" "lnav" "ccze" "goaccess" "logger" "wall" "write" "mesg" "ts" "ssh-add" "gpg" "gpg2" "age" "sops" "mdcat" "glow" "pdftotext" "identify" "ffprobe" "mediainfo" "zipinfo" "lsar" "tiv" "aspell" "hunspell" "ssh-keyscan" "certtool" "getfattr" "ausearch" "aureport" "blame" "xq" "addr2line" "c++filt" "cpp";
    Changes =>
        "gzip" "gunzip" "bzip2" "bunzip2" "xz" "unxz" "zstd" "unzstd" "lz4" "compress" "uncompress" "pigz" "dos2unix" "unix2dos" "patch" "sponge" "csplit" "setfattr" "convert" "magick" "mogrify" "ffmpeg" "exiftool" "pandoc" "a2x" "rename" "mmv" "xattr" "symlinks" "indent" "logsave";
    Project =>
        "make" "gmake" "cmake" "ctest" "ninja" "meson" "bazel" "bazelisk" "buck2" "scons" "ant" "mvn" "mvnw" "gradle" "gradlew" "sbt" "mill" "lein" "rake" "thor" "just" "task" "mage" "tox" "nox" "pytest" "py.test" "jest" "vitest" "mocha" "ava" "karma" "cypress" "playwright" "eslint" "prettier" "tsc" "webpack" "vite" "rollup" "esbuild" "parcel" "turbo" "nx" "lerna" "gulp" "grunt" "jekyll" "hugo" "mkdocs" "sphinx-build"
        "gcc" "g++" "cc" "c++" "clang" "clang++" "ld" "ar" "as" "ranlib" "strip" "rustc" "javac" "kotlinc" "scalac" "ghc" "ocamlopt" "swiftc" "protoc" "buf" "flex" "bison" "yacc" "automake" "autoconf" "autoreconf" "libtool" "pkg-config" "swift" "dotnet" "msbuild" "mix" "rebar3" "stack" "cabal" "dune" "opam" "zig" "nim" "crystal" "v" "phpunit" "rspec" "rubocop" "ruff" "black" "isort" "flake8" "mypy" "pylint" "pyright" "bandit" "golangci-lint" "staticcheck" "gofmt" "goimports" "rustfmt" "clang-format" "clang-tidy" "cppcheck" "gcov" "lcov" "pre-commit" "act" "goreleaser" "ko" "skaffold" "tilt" "packer" "dpkg-buildpackage" "debuild" "rpmbuild" "latexmk" "pdflatex" "xelatex" "tectonic" "semgrep" "codeql" "sonar-scanner" "flutter" "dart" "xcodebuild" "pod" "fastlane" "alembic" "flyway" "liquibase" "dbt" "airflow" "celery" "newman" "k6" "locust" "ab" "wrk" "hey" "vegeta";
    Depends(builtins::cd) => "cd" "chdir" "pushd";
    Depends(builtins::popd) => "popd";
    Depends(builtins::declare) => "export" "declare" "typeset" "local" "readonly";
    Depends(builtins::changes_names) => "unset" "read" "mapfile" "readarray" "getopts" "let";
    Depends(builtins::eval) => "eval";
    Depends(builtins::prefix) => "exec" "command" "builtin";
    Depends(builtins::trap) => "trap";
    Depends(builtins::set) => "set" "shopt" "setopt" "unsetopt";
    Depends(builtins::shift) => "shift";
    Depends(builtins::history) => "history" "fc";
    Depends(builtins::alias) => "alias" "unalias" "hash" "enable";
    Depends(builtins::echo) => "echo";
    Depends(builtins::printf) => "printf";
    Depends(builtins::filter) => "cat" "rev" "base64";
    Depends(builtins::test) => "test";
    Depends(builtins::printenv) => "printenv";
    Depends(builtins::complete) => "complete" "compgen" "compopt";
    Depends(builtins::kill) => "kill" "pkill" "killall" "killall5" "skill" "xkill";
    Depends(builtins::dot) => "source" ".";
    Depends(permissions::umask) => "umask";
    Depends(permissions::chmod) => "chmod";
    Depends(permissions::chown) => "chown" "chgrp";
    Depends(permissions::setfacl) => "setfacl";
    Depends(permissions::makes) => "mkdir" "mkfifo" "mknod" "install";
    Says(labels::SET_CAPABILITY) => "setcap";
    Says(labels::ATTRIBUTE_CHANGE) => "chattr" "chcon" "restorecon";
    Depends(files::rm) => "rm" "rmdir" "unlink" "trash" "trash-put" "rimraf";
    Depends(files::copy) => "cp" "mv" "ln" "link";
    Depends(files::tee) => "tee";
    Depends(files::truncate) => "truncate" "fallocate";
    Depends(files::shred) => "shred" "srm" "wipe" "scrub";
    Depends(files::dd) => "dd" "dcfldd" "ddrescue";
    Depends(files::touch) => "touch";
    Depends(files::archive) => "tar" "bsdtar" "cpio" "zip" "unzip" "7z" "7za" "rar" "unrar" "unar" "zipnote";
    Depends(files::sed) => "sed" "gsed";
    Depends(files::sort) => "sort" "split";
    Depends(files::rsync) => "rsync";
    Depends(files::disk) =>
        "mkfs" "mke2fs" "mkswap" "wipefs" "fdisk" "sfdisk" "cfdisk" "gdisk" "sgdisk" "parted" "blkdiscard" "hdparm" "badblocks" "pvremove" "vgremove" "lvremove" "pvcreate" "vgcreate" "lvcreate" "lvreduce" "lvresize" "lvextend" "vgreduce" "resize2fs" "xfs_growfs" "tune2fs" "debugfs" "e2fsck" "fsck" "zpool" "zfs" "cryptsetup" "mdadm" "dmsetup" "nvme" "sg_format" "grub-install" "grub-mkconfig" "update-grub" "efibootmgr" "flashrom" "fwupdmgr" "btrfs" "losetup" "partprobe" "kpartx" "growpart";
    Depends(find::find) => "find" "gfind";
    Depends(find::fd) => "fd" "fdfind";
    Depends(find::xargs) => "xargs" "parallel";
    Depends(wrap::plain) =>
        "nohup" "timeout" "nice" "ionice" "chrt" "taskset" "numactl" "setsid" "stdbuf" "time" "unbuffer" "dbus-run-session" "ssh-agent" "strace" "ltrace" "valgrind" "setarch" "linux32" "linux64" "prlimit" "catchsegv" "firejail" "faketime" "setpriv" "chpst" "softlimit" "cgexec" "ld.so" "run-one" "chronic" "caffeinate" "proxychains" "torsocks" "tini" "dumb-init";
    Depends(wrap::env) => "env";
    Depends(wrap::sudo) => "sudo" "doas" "pkexec" "run0" "sudoedit" "gosu" "su-exec";
    Depends(wrap::su) => "su" "runuser";
    Depends(wrap::joined) => "watch" "script" "flock" "tmux" "screen";
    Depends(wrap::enter) => "chroot" "nsenter" "unshare";
    Depends(wrap::applet) => "busybox" "toybox" "coreutils";
    Depends(wrap::later) => "at" "batch" "crontab" "systemd-run";
    Depends(wrap::debugger) => "perf" "gdb" "lldb" "gcore" "capsh" "start-stop-daemon" "run-parts" "daemonize" "daemon" "anacron" "sftp-server";
    Depends(code::shell) =>
        "sh" "bash" "dash" "ash" "ksh" "ksh93" "mksh" "zsh" "rbash" "fish" "csh" "tcsh" "pwsh" "nu" "xonsh" "elvish" "yash" "posh";
    Depends(code::interpreter) =>
        "python" "pypy" "perl" "ruby" "jruby" "node" "nodejs" "deno" "bun" "php" "lua" "luajit" "Rscript" "R" "groovy" "scala" "elixir" "julia" "erl" "iex" "swipl" "ghci" "tclsh" "wish" "guile" "sbcl" "expect" "java" "jshell" "ipython" "irb" "racket" "ocaml" "osascript" "bpftrace" "stap" "dtrace" "qemu" "wine" "mono" "wasmtime";
    Depends(code::awk) => "awk" "gawk" "mawk" "nawk" "original-awk";
    Depends(code::editor) => "vi" "vim" "nvim" "view" "ex" "emacs" "nano" "pico" "ed" "joe" "mcedit" "micro" "hx" "vimdiff" "mc" "ranger" "nnn" "lf" "vipe" "crash";
    Depends(code::pager) => "less" "more" "most" "man";
    Depends(network::curl) => "curl" "http" "https" "xh";
    Depends(network::wget) => "wget" "wget2" "aria2c" "axel";
    Depends(network::netcat) => "nc" "ncat" "netcat" "nc.openbsd" "nc.traditional";
    Depends(network::socat) => "socat";
    Depends(network::other) => "telnet" "openssl" "mail" "mailx" "mutt" "sendmail" "swaks" "dig" "nslookup" "host" "drill" "ping" "ping6" "traceroute" "tracepath" "mtr" "whois" "websocat" "grpcurl" "wscat" "rlogin" "rsh" "magic-wormhole" "wormhole" "croc" "transfer" "iperf" "iperf3" "cloudflared" "ngrok";
    Depends(network::nmap) => "nmap" "masscan" "zmap" "arp-scan" "nikto" "gobuster" "sqlmap" "hydra" "msfconsole" "crackmapexec";
    Depends(network::capture) => "tcpdump" "tshark" "dumpcap" "ngrep";
    Depends(remote::ssh) => "ssh" "autossh" "mosh" "slogin" "dbclient";
    Depends(remote::scp) => "scp" "pscp";
    Depends(remote::sftp) => "sftp" "ftp" "lftp" "tftp" "ncftp" "smbclient";
    Depends(remote::keygen) => "ssh-keygen";
    Depends(remote::copy_id) => "ssh-copy-id";
    Depends(remote::rclone) => "rclone" "gsutil" "s3cmd" "azcopy" "mcli" "restic" "borg";
    Says(labels::TUNNEL) => "sshuttle" "chisel" "tailscale" "wg" "wg-quick" "openvpn" "stunnel" "frpc" "frps" "socks";
    Depends(system::systemctl) => "systemctl";
    Depends(system::service) => "service" "rc-service" "initctl" "supervisorctl" "pm2" "sv" "launchctl" "invoke-rc.d" "monit" "apachectl" "apache2ctl" "nginx" "update-rc.d" "chkconfig" "rc-update" "haproxy" "rndc" "postfix" "varnishadm";
    Depends(system::power) => "shutdown" "reboot" "halt" "poweroff" "init" "telinit" "pm-suspend" "rtcwake" "ipmitool" "racadm";
    Depends(system::mount) => "mount" "umount" "swapon" "swapoff" "fusermount" "sshfs" "mount.cifs" "mount.nfs" "pivot_root";
    Depends(system::network) => "ip" "ifconfig" "iwconfig" "route" "nmcli" "ethtool" "arp" "tc" "bridge" "resolvectl" "ifup" "ifdown" "dhclient" "netplan" "brctl";
    Depends(system::firewall) => "iptables" "ip6tables" "iptables-legacy" "iptables-nft" "iptables-save" "ip6tables-save" "iptables-restore" "ip6tables-restore" "nft" "ufw" "firewall-cmd" "ipset" "ebtables" "arptables" "pfctl" "fail2ban-client";
    Depends(system::sysctl) => "sysctl";
    Depends(system::kernel) => "modprobe" "insmod" "rmmod" "kmod" "kexec" "dkms" "depmod" "bpftool";
    Depends(system::security) => "setenforce" "auditctl" "aa-disable" "aa-teardown" "aa-complain" "semanage" "setsebool" "semodule" "load_policy" "apparmor_parser";
    Depends(system::journalctl) => "journalctl";
    Depends(system::logs) => "dmesg" "logrotate" "utmpdump";
    Depends(system::setting) => "hostname" "domainname" "date" "hostnamectl" "timedatectl" "localectl" "loginctl" "hwclock" "ntpdate";
    Depends(system::account) =>
        "useradd" "usermod" "userdel" "adduser" "deluser" "groupadd" "groupmod" "groupdel" "addgroup" "delgroup" "gpasswd" "passwd" "chpasswd" "chgpasswd" "chage" "newusers" "vipw" "vigr" "visudo" "chsh" "chfn" "pwconv" "pwunconv" "faillock" "pam_tally2" "realm" "smbpasswd" "htpasswd" "kadmin" "ldapmodify" "ldapadd" "ldapdelete" "ldappasswd" "ldapsearch" "pw" "dscl" "authselect" "pam-auth-update";
    Depends(containers::docker) => "docker" "podman" "nerdctl" "crictl" "ctr" "docker-compose" "podman-compose" "finch";
    Says(labels::CONTAINER_ESCAPE) => "runc" "crun" "youki" "lxc-attach" "systemd-nspawn" "machinectl";
    Says(labels::CONTAINER_RUN) => "lxc" "lxc-start" "incus" "virsh" "vagrant" "multipass" "qemu-system-x86_64" "buildah" "apptainer" "singularity" "kaniko" "bwrap";
    Says(labels::CONTAINER_CONTROL) => "skopeo" "crane" "oras" "cosign" "minikube" "kind" "k3d";
    Depends(git::git) => "git";
    Depends(git::served) => "git-upload-pack" "git-receive-pack" "git-upload-archive";
    Depends(git::forge) => "gh" "glab" "hub" "tea";
    Says(labels::PROJECT_CODE) => "hg" "svn" "bzr" "fossil" "jj" "repo" "cvs";
    Depends(cluster::kubectl) => "kubectl" "oc" "k3s" "k" "microk8s.kubectl";
    Depends(cluster::helm) => "helm" "helm3";
    Says(labels::CLUSTER_CHANGE) => "kustomize" "argocd" "flux" "istioctl" "linkerd" "kubeadm" "eksctl" "kops" "velero" "cilium" "calicoctl" "kubeseal" "argo" "tkn" "cmctl";
    Depends(clouds::cloud) => "aws" "gcloud" "az" "doctl" "oci" "ibmcloud" "linode-cli" "hcloud" "openstack" "bq" "heroku" "flyctl" "fly" "vercel" "netlify" "wrangler" "cf" "eb";
    Depends(clouds::infrastructure) => "terraform" "tofu" "pulumi" "terragrunt" "cdk" "serverless" "sls" "cdktf" "nomad";
    Depends(clouds::fleet) => "ansible" "ansible-playbook" "ansible-galaxy" "ansible-vault" "ansible-inventory" "ansible-doc" "ansible-lint" "ansible-config" "ansible-pull" "salt" "salt-call" "puppet" "chef-client" "knife" "pssh" "pdsh" "clush" "dsh" "fab";
    Depends(packages::system) => "apt" "apt-get" "aptitude" "dnf" "yum" "microdnf" "apk" "pacman" "yay" "zypper" "brew" "snap" "flatpak" "rpm" "dpkg" "port" "emerge" "nix-env" "opkg" "pkg" "apt-mark" "add-apt-repository" "apt-key" "rpm-ostree" "update-alternatives" "winget" "choco";
    Depends(packages::language) => "pip" "npm" "yarn" "pnpm" "gem" "bundle" "bundler" "cargo" "go" "poetry" "pdm" "pipenv" "uv" "conda" "mamba" "composer" "nuget" "luarocks" "cpan" "cpanm" "hatch" "twine" "easy_install" "rustup" "nvm" "pyenv" "rbenv" "asdf" "mise" "sdk" "corepack" "rye";
    Depends(packages::fetched) => "npx" "pipx" "uvx" "bunx" "pnpx";
    Depends(databases::client) => "psql" "mysql" "mariadb" "sqlite3" "sqlite" "duckdb" "sqlcmd" "sqlplus" "clickhouse-client" "clickhouse" "cqlsh" "isql" "mssql-cli" "pgcli" "mycli" "usql" "trino" "presto" "beeline" "hive" "impala-shell" "influx" "cockroach";
    Depends(databases::dump) => "pg_dump" "pg_dumpall" "mysqldump" "mariadb-dump" "mongodump" "pg_basebackup" "mongoexport" "mysqlpump" "pgbackrest" "xtrabackup" "barman";
    Depends(databases::administer) => "dropdb" "createdb" "dropuser" "createuser" "mysqladmin" "pg_restore" "mongorestore" "mongoimport" "mysqlimport" "pg_ctl" "pg_ctlcluster" "pg_dropcluster" "pg_createcluster" "pg_resetwal" "vacuumdb" "reindexdb" "initdb" "pgbench" "pg_upgrade" "pg_rewind";
    Depends(databases::keyed) => "redis-cli" "valkey-cli" "mongosh" "mongo" "etcdctl" "consul" "vault" "memcached-tool" "rabbitmqctl" "kafka-topics" "kafka-topics.sh" "zkCli.sh" "kafkacat" "kcat" "nats";
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_name_stands_twice() {
        let twice: Vec<_> = super::sorted()
            .windows(2)
            .filter(|pair| pair[0].0 == pair[1].0)
            .map(|pair| pair[0].0)
            .collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}
