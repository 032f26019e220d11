//! Files of older and newer programs.

use std::{fs, path::Path};

use crm_core::{
    catalog,
    filter::Predicate,
    store::{Query, Records},
    value::{Id, Kind, Value},
};
use crm_store_sqlite::SqliteStore;
use tests::sqlite::{Sqlite, quick};

use crate::{
    read, run,
    support::{commit, create, id, image, set, stored, update},
};

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open_with(path, &quick()).unwrap()
}

/// The ids of a list by an index.
async fn listed(store: &SqliteStore, tenant: Id, kind: Kind, index: &str, equals: &[Value]) -> Vec<Id> {
    let decl = catalog::decl(kind);
    let query = Query {
        tenant,
        decl,
        index: decl.index(index).unwrap(),
        equals: equals.to_vec(),
        descending: false,
        filter: Predicate::always(),
        after: None,
        limit: 10,
    };
    store.list(&query).await.unwrap().items.iter().map(|item| item.id).collect()
}

#[tokio::test]
async fn a_file_of_an_older_program_is_brought_up() {
    let (files, tenant) = (Sqlite::default(), id());
    let path = files.path();
    let store = open(&path);
    let mut task = image(Kind::Task, tenant);
    set(&mut task, "title", Value::text("Call Ada"));
    let (record, link) = (task.reference(), Value::Ref(task.reference()));
    set(&mut task, "links", Value::list([link.clone()]));
    let mut team = image(Kind::Team, tenant);
    set(&mut team, "name", Value::text("Ärzte"));
    let team_id = team.id;
    store.commit(&commit(tenant, [task, team].map(create))).await.unwrap();
    drop(store);
    let schema = "select group_concat(line, '
') from (select s.type || ' ' || s.name || ' ' || ifnull((select \
                  group_concat(name) from (select name from pragma_table_xinfo(s.name) order by name)), '') as line from \
                  sqlite_schema s order by 1)";
    let (whole, before): (Vec<u8>, String) = (fs::read(&path).unwrap(), read(&path, schema));

    // What an older program did not have: a list, a sort key, a field, a list-valued index, a kind with its view.
    run(
        &path,
        "drop index \"task: is_open -> due_at\";
         drop index \"team:  -> name\"; drop index \"team: parent_id -> name\"; drop view teams;
         alter table team drop column name_sort; alter table team drop column name_key;
         update maintained set names = '' where kind = 'team';
         drop view tasks; alter table task drop column description;
         drop table task_links; delete from maintained where kind = 'task';
         drop view products; drop table product",
    );
    let store = open(&path);
    assert_eq!(store.verify().unwrap(), 2);
    let index = catalog::decl(Kind::Task).indexes.iter().find(|index| index.per_element).unwrap();
    assert_eq!(listed(&store, tenant, Kind::Task, &index.name, &[link]).await, [record.id]);
    assert_eq!(listed(&store, tenant, Kind::Team, " -> name", &[]).await, [team_id]);
    drop(store);
    let after: String = read(&path, schema);
    let differs: Vec<_> = after.lines().filter(|line| !before.lines().any(|other| other == *line)).collect();
    assert_eq!((differs, after.lines().count()), (vec![], before.lines().count()));

    // Opening a file that lacks nothing writes nothing.
    fs::write(&path, &whole).unwrap();
    drop(open(&path));
    assert!(fs::read(&path).unwrap() == whole);
}

#[tokio::test]
async fn what_a_newer_program_added_survives() {
    let (files, tenant) = (Sqlite::default(), id());
    let path = files.path();
    let store = open(&path);
    let mut team = image(Kind::Team, tenant);
    set(&mut team, "name", Value::text("North"));
    let record = team.reference();
    store.commit(&commit(tenant, [create(team)])).await.unwrap();
    drop(store);
    run(
        &path,
        "alter table team add column motto; update team set motto = 'onwards';
         create index \"team: motto\" on team (tenant_id, motto);
         create table gadget (n integer primary key, name); insert into gadget values (1, 'x');
         drop view teams; create view teams as select id, motto from team;
         update maintained set names = 'name_key motto_key' where kind = 'team'",
    );
    let store = open(&path);
    let before = stored(&store, tenant, record).await.unwrap();
    let renamed = update(&before, |team| set(team, "name", Value::text("South")));
    store.commit(&commit(tenant, [renamed])).await.unwrap();
    assert_eq!(store.verify().unwrap(), 1);
    drop(store);
    assert_eq!(
        read::<String>(
            &path,
            "select motto || name from team indexed by \"team: motto\" where tenant_id is not null \
        and motto = 'onwards'"
        ),
        "onwardsSouth"
    );
    assert_eq!(read::<String>(&path, "select name from gadget"), "x");
    assert_eq!(read::<String>(&path, "select motto from teams"), "onwards");
    // The newer program sees that this one did not maintain all of its sort keys.
    assert_eq!(read::<String>(&path, "select names from maintained where kind = 'team'"), "name_key");
}
