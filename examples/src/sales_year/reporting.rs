//! The metrics of the year, read back from the store through the reports only.

use crm_core::{
    Crm,
    filter::{Filter, Op},
    listing::ListQuery,
    reports::{AgeReport, AgesQuery, Figures, GroupBy, PipelineQuery, PipelineReport, SalesQuery, SalesReport, Table},
    value::Date,
};

use super::{Failure, setup::Place};

/// The ages in days for which older engaging deals are counted.
pub const OLDER_THAN: [i64; 2] = [90, 138];

/// The tables of the sales report, in the order in which they are requested.
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
    /// Industries of the customers.
    Sector,
    /// Countries of the customers.
    Country,
    /// Customers.
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

/// The data of the whole report.
#[derive(Clone, Debug)]
pub struct YearReport {
    /// Closed deals.
    pub sales: SalesReport,
    /// Open deals, at list prices.
    pub pipeline: PipelineReport,
    /// The ages of engaging deals at the end of the year of the last closing.
    pub ages: AgeReport,
    /// The names of all users who have a manager.
    pub agents: Vec<String>,
    /// The number of companies.
    pub accounts: u64,
    /// The number of products that a deal can be for.
    pub products: u64,
}

impl YearReport {
    /// Returns a table of the sales report.
    pub fn table(&self, by: By) -> Option<&Table<Figures>> {
        let at = By::ALL.iter().position(|other| *other == by)?;
        self.sales.tables.get(at)
    }

    /// Returns the named groups of a table with one key, sorted by name.
    pub fn groups(&self, by: By) -> Vec<(&str, &Figures)> {
        let groups = self.table(by).map_or(&[][..], |table| table.groups.as_slice());
        let named = |group: &'_ crm_core::reports::Group<Figures>| group.names.first().cloned().flatten().is_some();
        groups
            .iter()
            .filter(|group| named(group))
            .filter_map(|group| Some((group.names.first()?.as_deref()?, &group.figures)))
            .collect()
    }

    /// Returns the number of open deals in a stage.
    pub fn open(&self, stage: &str) -> u64 {
        self.pipeline.stages.iter().find(|found| found.key == stage).map_or(0, |found| found.open.deals)
    }

    /// Returns the sales velocity in base currency per day: engaging deals × win rate × average won value ÷ mean cycle
    /// of won deals.
    pub fn velocity(&self) -> Option<f64> {
        self.sales.overall.velocity(self.open("engaging"))
    }

    /// Returns the expected value of the open deals at list prices, with the win rate of each product.
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

    /// Returns the expected value of the open deals at list prices, with the overall win rate.
    pub fn forecast_flat(&self) -> Option<f64> {
        Some(self.pipeline.total.value.in_base.as_ref()?.sum.to_f64() * self.sales.overall.win_rate?)
    }
}

/// Requests all reports.
///
/// # Errors
/// Those of the CRM.
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
