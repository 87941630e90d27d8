//! What can be done with one message: copy it, write to its author in private. By right click, long
//! press, Menu key or Shift+F10, and Ctrl+C on a row.

use super::*;

/// Adds the actions to the class.
pub(super) fn install(klass: &mut <imp::MessageList as ObjectSubclass>::Class) {
    klass.install_action("message.copy", None, |list, _, _| {
        if let Some(row) = list.imp().menu_row.upgrade() {
            list.copy(&row);
        }
    });
    klass.install_action("message.write-in-private", None, |list, _, _| list.write_in_private());
    klass.add_binding(gdk::Key::c, gdk::ModifierType::CONTROL_MASK, |list| {
        let row = list.focused_row();
        row.map_or(glib::Propagation::Proceed, |row| list.copy(&row))
    });
}

impl MessageList {
    /// Starts to watch for those who want a menu.
    pub(super) fn open_menus(&self) {
        let view = &*self.imp().list_view;
        let click = gtk::GestureClick::builder().button(gdk::BUTTON_SECONDARY).build();
        click.connect_pressed(glib::clone!(
            #[weak(rename_to = list)]
            self,
            move |_, _, x, y| list.open_menu_at(x, y)
        ));
        view.add_controller(click);
        let press = gtk::GestureLongPress::builder().touch_only(true).build();
        press.connect_pressed(glib::clone!(
            #[weak(rename_to = list)]
            self,
            move |_, x, y| list.open_menu_at(x, y)
        ));
        view.add_controller(press);
        let keys = gtk::EventControllerKey::new();
        keys.connect_key_pressed(glib::clone!(
            #[weak(rename_to = list)]
            self,
            #[upgrade_or]
            glib::Propagation::Proceed,
            move |_, key, _, modifiers| list.key_pressed(key, modifiers)
        ));
        view.add_controller(keys);
    }

    fn key_pressed(&self, key: gdk::Key, modifiers: gdk::ModifierType) -> glib::Propagation {
        let wants_menu = key == gdk::Key::Menu
            || (key == gdk::Key::F10 && modifiers.contains(gdk::ModifierType::SHIFT_MASK));
        match self.focused_row().filter(|_| wants_menu) {
            Some(row) => {
                self.open_menu(&row, None);
                glib::Propagation::Stop
            }
            None => glib::Propagation::Proceed,
        }
    }

    fn open_menu_at(&self, x: f64, y: f64) {
        let view = &*self.imp().list_view;
        let Some(widget) = view.pick(x, y, gtk::PickFlags::DEFAULT) else { return };
        if let Some(row) = widget.ancestor(MessageRow::static_type()).and_downcast::<MessageRow>() {
            let point = view.translate_coordinates(&row, x, y);
            self.open_menu(&row, point);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a place on the screen")]
    fn open_menu(&self, row: &MessageRow, point: Option<(f64, f64)>) {
        self.imp().menu_row.set(Some(row));
        let others = row.message().filter(|message| message.is_written() && !message.content().own);
        self.action_set_enabled("message.write-in-private", others.is_some());
        let menu = gtk::PopoverMenu::from_model(Some(&*self.imp().context_menu));
        menu.set_parent(row);
        menu.set_has_arrow(false);
        menu.set_halign(gtk::Align::Start);
        if let Some((x, y)) = point {
            menu.set_pointing_to(Some(&gdk::Rectangle::new(x as i32, y as i32, 1, 1)));
        }
        // Its items act after it has closed.
        menu.connect_closed(|menu| {
            let menu = menu.clone();
            glib::idle_add_local_once(move || menu.unparent());
        });
        menu.popup();
    }

    /// The row that the keyboard is on.
    fn focused_row(&self) -> Option<MessageRow> {
        self.imp().list_view.focus_child()?.first_child().and_downcast()
    }

    fn copy(&self, row: &MessageRow) -> glib::Propagation {
        if let Some(message) = row.message() {
            self.clipboard().set_text(&message.content().text);
        }
        glib::Propagation::Stop
    }

    fn write_in_private(&self) {
        if let Some(message) = self.imp().menu_row.upgrade().and_then(|row| row.message()) {
            self.emit_by_name::<()>("person-chosen", &[&message.content().author]);
        }
    }
}
