//! How a distribution installs Mesa's software Vulkan driver, and with whose rights.

use crate::shell::Line;
use std::io::{self, IsTerminal};
use std::process::{Command, Stdio};

/// The commands that install the driver and the loader.
#[derive(Debug, PartialEq)]
pub struct Recipe {
    pub commands: &'static [&'static str],
    /// Whether to run them without asking. Elsewhere the line is printed for the person to judge.
    pub automatic: bool,
}

impl Recipe {
    /// The recipe for an `os-release` file: of the distribution itself, or of the nearest one
    /// that it says it is like.
    pub fn of(os_release: &str) -> Option<Self> {
        distribution_ids(os_release).iter().find_map(|id| Self::of_id(id))
    }

    /// As [`of`](Self::of), for Vulkan's validation layer.
    pub fn of_validation_layer(os_release: &str) -> Option<Self> {
        distribution_ids(os_release).iter().find_map(|&id| {
            let commands: &[&str] = match id {
                "debian" | "ubuntu" => &[
                    "apt-get update",
                    "apt-get install -y --no-install-recommends vulkan-validationlayers",
                ],
                "fedora" | "rhel" | "centos" => &["dnf install vulkan-validation-layers"],
                "arch" => &["pacman -S --needed vulkan-validation-layers"],
                "alpine" => &["apk add vulkan-validation-layers"],
                "suse" | "opensuse" => &["zypper install vulkan-validationlayers"],
                _ => return None,
            };
            Some(Self { commands, automatic: matches!(id, "debian" | "ubuntu") })
        })
    }

    fn of_id(id: &str) -> Option<Self> {
        let commands: &[&str] = match id {
            "debian" | "ubuntu" => &[
                "apt-get update",
                "apt-get install -y --no-install-recommends mesa-vulkan-drivers libvulkan1",
            ],
            "fedora" | "rhel" | "centos" => &["dnf install mesa-vulkan-drivers vulkan-loader"],
            "arch" => &["pacman -S --needed vulkan-swrast vulkan-icd-loader"],
            "alpine" => &["apk add mesa-vulkan-swrast vulkan-loader"],
            "suse" | "opensuse" => &["zypper install libvulkan_lvp libvulkan1"],
            "void" => &["xbps-install -S mesa-vulkan-lavapipe vulkan-loader"],
            _ => return None,
        };
        Some(Self { commands, automatic: matches!(id, "debian" | "ubuntu") })
    }
}

/// The distribution's identifier, then those that it is like, nearest first.
fn distribution_ids(os_release: &str) -> Vec<&str> {
    let value = |name: &str| {
        let assignments = os_release.lines().filter_map(|line| line.trim().split_once('='));
        // The last one counts, as in the shell that this format is for.
        let value = assignments.rev().find(|(key, _)| *key == name).map(|(_, value)| value);
        value.unwrap_or_default().trim_matches(['"', '\''])
    };
    value("ID").split_whitespace().chain(value("ID_LIKE").split_whitespace()).collect()
}

/// How a command gets root's rights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Privilege {
    Root,
    /// `sudo`, which asks for a password or does not.
    Sudo {
        asks: bool,
    },
    None,
}

impl Privilege {
    pub fn this() -> Self {
        if is_root() {
            return Self::Root;
        }
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match sudo.status() {
            Ok(status) => Self::Sudo { asks: !status.success() },
            Err(_) => Self::None,
        }
    }

    /// Whether a command can run now; a password can be asked for only at a terminal.
    pub fn suffices(self) -> bool {
        match self {
            Self::Root => true,
            Self::Sudo { asks } => !asks || io::stdin().is_terminal(),
            Self::None => false,
        }
    }

    /// The command as it is run here.
    pub fn line(self, command: &str) -> Line {
        // Through `env`, because sudo drops the variables that it is called with.
        let prefix = match self {
            Self::Root | Self::None => "",
            Self::Sudo { asks: true } => "sudo ",
            Self::Sudo { asks: false } => "sudo -n ",
        };
        Line::new(&format!("{prefix}env DEBIAN_FRONTEND=noninteractive {command}"))
    }

    /// The commands as a person types them in one line.
    pub fn typed(self, commands: &[&str]) -> String {
        match self {
            Self::Root => commands.join(" && "),
            Self::Sudo { .. } => format!("sudo {}", commands.join(" && sudo ")),
            Self::None => format!("su -c '{}'", commands.join(" && ")),
        }
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// What a person can do, after the reason.
pub fn advice(recipe: Option<&Recipe>, privilege: Privilege) -> String {
    let elsewhere = "If a driver is installed in an unusual folder, name its manifest in \
                     VK_DRIVER_FILES.";
    match recipe {
        Some(recipe) => {
            let line = privilege.typed(recipe.commands);
            format!("to install a software driver, type:\n    {line}\n{elsewhere}")
        }
        None => format!(
            "install the Vulkan loader and a driver for it; Mesa's software driver, lavapipe, is \
             enough.\n{elsewhere}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n";

    fn command(os_release: &str) -> Option<&'static str> {
        Recipe::of(os_release).map(|recipe| *recipe.commands.last().unwrap())
    }

    #[test]
    fn identifiers_come_nearest_first() {
        let mint = "NAME=\"Linux Mint\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_ID=22\n";
        assert_eq!(distribution_ids(mint), ["linuxmint", "ubuntu", "debian"]);
        assert_eq!(distribution_ids("# ID=no\nID='void'"), ["void"]);
        assert!(distribution_ids("").is_empty());
        assert!(distribution_ids("VARIANT_ID=debian\nno equals sign").is_empty());
    }

    #[test]
    fn only_debian_and_its_relatives_install_by_themselves() {
        let automatic = |text| Recipe::of(text).unwrap().automatic;
        for text in [DEBIAN, "ID=ubuntu", "ID=raspbian\nID_LIKE=debian", "ID=pop\nID_LIKE=ubuntu"] {
            assert!(automatic(text), "{text}");
        }
        for text in ["ID=fedora", "ID=arch", "ID=alpine", "ID=opensuse-leap\nID_LIKE=\"suse\""] {
            assert!(!automatic(text), "{text}");
        }
    }

    #[test]
    fn every_family_has_its_command() {
        let cases = [
            ("ID=rocky\nID_LIKE=\"rhel centos fedora\"", "dnf"),
            ("ID=manjaro\nID_LIKE=arch", "pacman"),
            ("ID=alpine", "apk"),
            ("ID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"", "zypper"),
            ("ID=void", "xbps-install"),
        ];
        for (text, program) in cases {
            assert_eq!(command(text).unwrap().split(' ').next(), Some(program), "{text}");
        }
        assert_eq!(command("ID=gentoo"), None);
    }

    #[test]
    fn commands_get_the_rights_that_there_are() {
        let line = |privilege: Privilege| privilege.line("apt-get update").to_string();
        assert_eq!(line(Privilege::Root), "env DEBIAN_FRONTEND=noninteractive apt-get update");
        let sudo = line(Privilege::Sudo { asks: false });
        assert_eq!(sudo, "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get update");
        let sudo = line(Privilege::Sudo { asks: true });
        assert_eq!(sudo, "sudo env DEBIAN_FRONTEND=noninteractive apt-get update");
        assert!(!Privilege::None.suffices());
        assert!(Privilege::Root.suffices() && Privilege::Sudo { asks: false }.suffices());
    }

    #[test]
    fn advice_is_a_line_to_type() {
        let recipe = Recipe::of(DEBIAN);
        let install = "apt-get install -y --no-install-recommends mesa-vulkan-drivers libvulkan1";
        let cases = [
            (Privilege::Root, format!("\n    apt-get update && {install}\n")),
            (
                Privilege::Sudo { asks: true },
                format!("\n    sudo apt-get update && sudo {install}\n"),
            ),
            (Privilege::None, format!("\n    su -c 'apt-get update && {install}'\n")),
        ];
        for (privilege, line) in cases {
            let advice = advice(recipe.as_ref(), privilege);
            assert!(advice.contains(&line), "{advice}");
        }
        assert!(advice(None, Privilege::Root).contains("lavapipe"));
    }
}
