//! What the contract says of the tables: who writes checks goes by it.

use muster_proto::question;

#[test]
fn the_tables_are_those_of_the_contract_with_the_same_columns() {
    let described: Vec<_> = muster_tables::describe()
        .iter()
        .map(|table| {
            let names = |hidden| {
                let columns = table.columns.iter().filter(|column| column.is_hidden() == hidden);
                columns.map(|column| column.name).collect::<Vec<_>>().join(" ")
            };
            (table.name, names(false), names(true))
        })
        .collect();
    let promised: Vec<_> = question::TABLES
        .iter()
        .map(|table| (table.name, table.columns.to_owned(), table.hidden.to_owned()))
        .collect();
    assert_eq!(described, promised);
}
