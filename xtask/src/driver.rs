//! A Vulkan driver for wgpu on Linux: find one, or install Mesa's software driver.

mod detect;
mod install;

use crate::shell::{Line, Shell};
use detect::{Host, Missing, find, find_validation_layer};
use install::{Privilege, Recipe};

const NO_INSTALL: &str = "WGPU_BATCHNORM_NO_INSTALL";

pub fn ensure(shell: &Shell) -> Result<(), String> {
    let host = Host::this();
    let missing = match find(&host) {
        Ok(_) => return Ok(()),
        Err(missing) => missing,
    };
    // The loader looks nowhere but where that variable points, so a new driver would not be seen.
    if let Missing::Named { .. } = missing {
        return Err(missing.to_string());
    }
    let recipe = Recipe::of(&host.os_release());
    let privilege = Privilege::this();
    let advice = install::advice(recipe.as_ref(), privilege);
    let commands = match &recipe {
        Some(recipe) if recipe.automatic && privilege.suffices() => recipe.commands,
        _ => return Err(format!("{missing}; {advice}")),
    };
    if host.is_set(NO_INSTALL) {
        return Err(format!("{missing}, and {NO_INSTALL} is set; {advice}"));
    }
    eprintln!("{missing}: installing Mesa's software driver");
    install(shell, commands, privilege).map_err(|error| format!("{error}; {advice}"))?;
    // What the linker's cache holds may have changed as well, so look at the host afresh.
    let found = find(&Host::this()).map_err(|missing| {
        format!("the packages are installed, yet {missing}; {}", install::advice(None, privilege))
    })?;
    eprintln!("found {found}");
    Ok(())
}

/// Vulkan's validation layer: finds it, or installs it as [`ensure`] does a driver.
pub fn ensure_validation_layer(shell: &Shell) -> Result<(), String> {
    let host = Host::this();
    if find_validation_layer(&host).is_some() {
        return Ok(());
    }
    let missing = "there is no Vulkan validation layer where the loader looks";
    let Some(recipe) = Recipe::of_validation_layer(&host.os_release()) else {
        return Err(format!("{missing}; name its folder in VK_ADD_LAYER_PATH"));
    };
    let privilege = Privilege::this();
    let advice = format!("to install it, type:\n    {}", privilege.typed(recipe.commands));
    if !recipe.automatic || !privilege.suffices() {
        return Err(format!("{missing}; {advice}"));
    }
    if host.is_set(NO_INSTALL) {
        return Err(format!("{missing}, and {NO_INSTALL} is set; {advice}"));
    }
    eprintln!("{missing}: installing it");
    install(shell, recipe.commands, privilege).map_err(|error| format!("{error}; {advice}"))?;
    match find_validation_layer(&Host::this()) {
        Some(_) => Ok(()),
        None => Err(format!("the package is installed, yet {missing}")),
    }
}

fn install(shell: &Shell, commands: &[&str], privilege: Privilege) -> Result<(), String> {
    let (last, preparations) = commands.split_last().expect("a recipe has a command");
    for command in preparations {
        // One unreachable repository fails an update, yet the rest may be enough for the last.
        if let Err(cause) = attempt(shell, &privilege.line(command)) {
            eprintln!("warning: `{command}` {cause}; going on with the package lists at hand");
        }
    }
    attempt(shell, &privilege.line(last)).map_err(|cause| format!("`{last}` {cause}"))
}

fn attempt(shell: &Shell, line: &Line) -> Result<(), String> {
    eprintln!("==> {line}");
    shell.attempt(line)
}
