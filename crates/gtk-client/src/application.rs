//! The application object: puts the session and the window together.

use adw::prelude::*;
use gtk::{gio, glib};

use crate::first_frame;
use crate::model::chat_session::ChatSession;
use crate::model::last_login::LastLogin;
use crate::model::session_bridge::SessionBridge;
use crate::ui::window::{self, Window};

/// The application's id, as in its desktop entry.
pub const ID: &str = "org.simplechat.SimpleChat";

/// Runs the program until its window is closed. `link` is the address or invite link to start with;
/// `time_first_frame` closes it once it was painted, and prints how long that took.
///
/// Each run is a login of its own: several people, or one person on several servers, may have a window
/// each on the same desktop, so the application is not unique on it.
pub fn run(link: Option<String>, time_first_frame: bool) -> glib::ExitCode {
    if let Err(error) = gio::resources_register_include!("simple-chat.gresource") {
        tracing::error!(%error, "the program's own resources are damaged");
        return glib::ExitCode::FAILURE;
    }
    let application = adw::Application::builder()
        .application_id(ID)
        .flags(gio::ApplicationFlags::NON_UNIQUE)
        .build();
    application.connect_startup(prepare);
    application.connect_activate(move |application| {
        let window = open_window(application, link.as_deref());
        if time_first_frame {
            first_frame::tell_and_close(&window);
        }
        GtkWindowExt::present(&window);
    });
    // The command line was parsed already.
    application.run_with_args::<&str>(&[])
}

/// Keys and actions of the program.
pub fn prepare(application: &adw::Application) {
    gtk::Window::set_default_icon_name(ID);
    for (action, keys) in window::ACCELERATORS {
        application.set_accels_for_action(action, keys);
    }
    let quit = gio::ActionEntry::builder("quit")
        .activate(|application: &adw::Application, _, _| {
            for window in application.windows() {
                window.close();
            }
        })
        .build();
    let open_conversation = gio::ActionEntry::builder("open-conversation")
        .parameter_type(Some(glib::VariantTy::STRING))
        .activate(|application: &adw::Application, _, name| {
            let name = name.and_then(|name| name.str()).filter(|name| !name.is_empty());
            for window in application
                .windows()
                .into_iter()
                .filter_map(|window| window.downcast::<Window>().ok())
            {
                window.open_conversation(name);
            }
        })
        .build();
    application.add_action_entries([quit, open_conversation]);
}

fn open_window(application: &adw::Application, link: Option<&str>) -> Window {
    let session = ChatSession::new(SessionBridge::open);
    let file = LastLogin::file();
    let mut login = LastLogin::load(&file);
    if let Some(link) = link {
        login.server = link.to_owned();
    }
    session.remember_logins_in(file);
    Window::new(application, &session, &login)
}
