//! The columns of the file list: name, size, and the two buttons of each file.

use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::{glib, pango};

use super::FilesDialog;
use crate::model::server_file::ServerFile;
use crate::ui::accessible;

impl FilesDialog {
    /// Gives each column its cells and its order.
    pub(super) fn fill_columns(&self) {
        let imp = self.imp();
        let Some(session) = imp.session.get() else { return };
        imp.name_column.set_factory(Some(&label_factory(
            0.0,
            pango::EllipsizeMode::Middle,
            ServerFile::shown_path,
        )));
        imp.size_column.set_factory(Some(&label_factory(
            1.0,
            pango::EllipsizeMode::None,
            ServerFile::shown_size,
        )));
        imp.action_column.set_factory(Some(&self.action_factory()));
        imp.name_column
            .set_sorter(Some(&gtk::StringSorter::new(Some(ServerFile::this_expression("path")))));
        imp.size_column
            .set_sorter(Some(&gtk::NumericSorter::new(Some(ServerFile::this_expression("size")))));
        imp.filter.set_expression(Some(ServerFile::this_expression("path")));
        let found = gtk::FilterListModel::new(
            Some(session.files().list().clone()),
            Some(imp.filter.clone()),
        );
        let sorted = gtk::SortListModel::new(Some(found), imp.column_view.sorter());
        imp.column_view.set_model(Some(&gtk::NoSelection::new(Some(sorted))));
    }

    fn action_factory(&self) -> gtk::SignalListItemFactory {
        let factory = gtk::SignalListItemFactory::new();
        factory.connect_setup(glib::clone!(
            #[weak(rename_to = dialog)]
            self,
            move |_, item| {
                if let Some(item) = item.downcast_ref::<gtk::ListItem>() {
                    item.set_child(Some(&dialog.action_cell(item)));
                }
            }
        ));
        factory.connect_bind(|_, item| {
            let Some(item) = item.downcast_ref::<gtk::ListItem>() else { return };
            if let (Some(cell), Some(file)) =
                (item.child(), item.item().and_downcast::<ServerFile>())
            {
                let (download, save_as) = (cell.first_child(), cell.last_child());
                let path = file.shown_path();
                download
                    .inspect(|button| accessible::set_label(button, &format!("Download {path}")));
                save_as
                    .inspect(|button| accessible::set_label(button, &format!("Save {path} As…")));
            }
        });
        factory
    }

    /// Two buttons that act on whatever file `item` is bound to when they are clicked.
    fn action_cell(&self, item: &gtk::ListItem) -> gtk::Box {
        let cell = gtk::Box::builder().spacing(6).build();
        cell.append(&self.button(item, "folder-download-symbolic", "Download", Self::download));
        cell.append(&self.button(item, "document-save-as-symbolic", "Save As…", Self::save_as));
        cell
    }

    fn button(
        &self,
        item: &gtk::ListItem,
        icon: &str,
        tooltip: &str,
        act: fn(&Self, &ServerFile),
    ) -> gtk::Button {
        let button = gtk::Button::builder()
            .icon_name(icon)
            .tooltip_text(tooltip)
            .valign(gtk::Align::Center)
            .build();
        button.add_css_class("flat");
        button.connect_clicked(glib::clone!(
            #[weak(rename_to = dialog)]
            self,
            #[weak]
            item,
            move |_| {
                if let Some(file) = item.item().and_downcast::<ServerFile>() {
                    act(&dialog, &file);
                }
            }
        ));
        button
    }
}

fn label_factory(
    xalign: f32,
    ellipsize: pango::EllipsizeMode,
    text: fn(&ServerFile) -> String,
) -> gtk::SignalListItemFactory {
    let factory = gtk::SignalListItemFactory::new();
    factory.connect_setup(move |_, item| {
        if let Some(item) = item.downcast_ref::<gtk::ListItem>() {
            item.set_child(Some(
                &gtk::Label::builder().xalign(xalign).ellipsize(ellipsize).build(),
            ));
        }
    });
    factory.connect_bind(move |_, item| {
        let Some(item) = item.downcast_ref::<gtk::ListItem>() else { return };
        if let (Some(label), Some(file)) =
            (item.child().and_downcast::<gtk::Label>(), item.item().and_downcast::<ServerFile>())
        {
            let text = text(&file);
            label.set_text(&text);
            label.set_tooltip_text(Some(&text));
        }
    });
    factory
}
