//! The figures of the year, read back from the store by the reports alone.

use crm_core::{
    Crm,
    filter::{Filter, Op},
    listing::ListQuery,
    reports::{AgeReport, AgesQuery, Figures, GroupBy, PipelineQuery, PipelineReport, SalesQuery, SalesReport, Table},
    value::Date,
};

use super::{Failure, setup::Place};

/// Days for which the deals that have been engaged for longer are counted.
pub const OLDER_THAN: [i64; 2] = [90, 138];

/// The tables of the sales report, in the order in which they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Quarters of closing.
    Quarter,
    /// Months of closing.
    Month,
    /// Agents.
    Agent,
    /// Agents by quarter.
    AgentQuarter,
    /// Managers.
    Manager,
    /// Regions.
    Region,
    /// Products.
    Product,
    /// What the customers do.
    Sector,
    /// Where the customers are.
    Country,
    /// The customers.
    Account,
    /// Quarters in which deals were engaged.
    Cohort,
    /// Stages.
    Stage,
}

impl By {
    const ALL: [By; 12] = [
        By::Quarter,
        By::Month,
        By::Agent,
        By::AgentQuarter,
        By::Manager,
        By::Region,
        By::Product,
        By::Sector,
        By::Country,
        By::Account,
        By::Cohort,
        By::Stage,
    ];

    fn groups(self) -> Vec<GroupBy> {
        match self {
            By::Quarter => vec![GroupBy::CloseQuarter],
            By::Month => vec![GroupBy::CloseMonth],
            By::Agent => vec![GroupBy::Owner],
            By::AgentQuarter => vec![GroupBy::Owner, GroupBy::CloseQuarter],
            By::Manager => vec![GroupBy::Manager],
            By::Region => vec![GroupBy::ParentTeam],
            By::Product => vec![GroupBy::Field("properties.product".into())],
            By::Sector => vec![GroupBy::CompanyField("industry".into())],
            By::Country => vec![GroupBy::CompanyField("properties.country".into())],
            By::Account => vec![GroupBy::Company],
            By::Cohort => vec![GroupBy::EnteredQuarter("engaging".into())],
            By::Stage => vec![GroupBy::Stage],
        }
    }
}

/// Everything that is shown.
#[derive(Clone, Debug)]
pub struct YearReport {
    /// What sold.
    pub sales: SalesReport,
    /// What is open, at list prices.
    pub pipeline: PipelineReport,
    /// How long the engaging deals have been so, at the end of the year in which the last deal closed.
    pub ages: AgeReport,
    /// The names of everybody who has a manager.
    pub agents: Vec<String>,
    /// How many companies there are.
    pub accounts: u64,
    /// How many products a deal can be of.
    pub products: u64,
}

impl YearReport {
    /// One of the sales report's tables.
    pub fn table(&self, by: By) -> Option<&Table<Figures>> {
        let at = By::ALL.iter().position(|other| *other == by)?;
        self.sales.tables.get(at)
    }

    /// The named groups of a table by one key, in the order of their names.
    pub fn groups(&self, by: By) -> Vec<(&str, &Figures)> {
        let groups = self.table(by).map_or(&[][..], |table| table.groups.as_slice());
        let named = |group: &'_ crm_core::reports::Group<Figures>| group.names.first().cloned().flatten().is_some();
        groups
            .iter()
            .filter(|group| named(group))
            .filter_map(|group| Some((group.names.first()?.as_deref()?, &group.figures)))
            .collect()
    }

    /// The open deals of a stage.
    pub fn open(&self, stage: &str) -> u64 {
        self.pipeline.stages.iter().find(|found| found.key == stage).map_or(0, |found| found.open.deals)
    }

    /// Base currency a day: engaging deals × win rate × average won value ÷ mean cycle of won deals.
    pub fn velocity(&self) -> Option<f64> {
        self.sales.overall.velocity(self.open("engaging"))
    }

    /// What the open deals would bring at list prices: each product's × the product's own win rate.
    pub fn forecast_by_product(&self) -> f64 {
        let products = self.pipeline.tables.first().map_or(&[][..], |table| table.groups.as_slice());
        let rates = self.table(By::Product);
        products
            .iter()
            .filter_map(|group| {
                let name = group.names.first()?.as_deref()?;
                let rate = rates?.find(&[name])?.win_rate?;
                Some(group.figures.value.in_base.as_ref()?.sum.to_f64() * rate)
            })
            .sum()
    }

    /// What the open deals would bring at list prices × the overall win rate.
    pub fn forecast_flat(&self) -> Option<f64> {
        Some(self.pipeline.total.value.in_base.as_ref()?.sum.to_f64() * self.sales.overall.win_rate?)
    }
}

/// Asks for all of it.
///
/// # Errors
/// What the CRM says.
pub async fn read(crm: &Crm, place: &Place) -> Result<YearReport, Failure> {
    let (admin, pipeline) = (&place.admin, place.pipeline.id);
    let reports = crm.reports(admin);
    let mut query = SalesQuery::of(pipeline).cycle_from("engaging");
    for by in By::ALL {
        query = query.by(by.groups());
    }
    let sales = reports.sales(&query).await?;
    let open = PipelineQuery::of(pipeline).value("properties.list_price").by(By::Product.groups());
    let pipeline_report = reports.pipeline(&open).await?;
    let at = AgesQuery::of(pipeline, "engaging").older_than(OLDER_THAN);
    let at = match end_of_year(&sales) {
        Some(day) => at.on(day),
        None => at,
    };
    let ages = reports.ages(&at).await?;
    let mut agents = Vec::new();
    let managed = Filter::is("manager_id", Op::Missing, serde_json::Value::Null).negate();
    crm.users(admin)
        .for_each(ListQuery::new().sort("name").filter(managed), |user| {
            agents.push(user.name.clone());
            Ok(())
        })
        .await?;
    let accounts = crm.companies(admin).count(Filter::all([])).await?;
    let product = crm.properties(admin).find("external_id", "deal.product").await?;
    let products = product.options.iter().filter(|option| !option.archived).count() as u64;
    Ok(YearReport { sales, pipeline: pipeline_report, ages, agents, accounts, products })
}

/// The last day of the year of the last closing.
fn end_of_year(sales: &SalesReport) -> Option<Date> {
    let months = &sales.tables.get(By::ALL.iter().position(|by| *by == By::Month)?)?.groups;
    let last = months.iter().filter_map(|group| group.names.first()?.as_deref()).next_back()?;
    Date::from_ymd(last.get(..4)?.parse().ok()?, 12, 31).ok()
}
