//! The users of the demo organization: twelve people in three teams. Some can sign in with the demo's password, at
//! least one for each built-in role.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono_tz::Tz;
use crm_core::{
    Crm, Error,
    access::Actor,
    auth::{AuthError, Mail, MailError, Mailer, Policy, Secret},
    change::Origin,
    collection::NewWithHistory,
    roles::Role,
    teams::{NewTeam, Team, TeamPatch},
    users::{NewUser, User, UserPatch},
    value::{Id, Kind},
};
use fastrand::Rng;

use super::{
    calendar::{Calendar, HISTORY},
    words::{Region, pick},
};

/// A position: name, role and job of the user, and their manager.
pub(super) struct Post {
    pub(super) first: &'static str,
    pub(super) last: &'static str,
    pub(super) role: &'static str,
    title: &'static str,
    department: &'static str,
    team: usize,
    manager: Option<usize>,
    zone: Tz,
    phone: &'static str,
    pub(super) signs_in: bool,
}

impl Post {
    /// The email address for sign-in.
    pub(super) fn email(&self) -> String {
        format!("{}@{}", self.first.to_lowercase(), super::DOMAIN)
    }
}

/// The teams. The first is the parent of the others.
const TEAMS: [(&str, &str, usize); 3] = [
    ("Commercial", "Everybody who sells, helps or finds customers", VP),
    ("Americas", "Sales in the United States", AMERICAS_LEAD),
    ("Europe", "Sales in Germany and France", EUROPE_LEAD),
];

/// Indexes into [`POSTS`]. The director, who is the administrator.
pub(super) const ADMIN: usize = 0;
/// The head of sales.
pub(super) const VP: usize = 1;
/// The lead of the Americas team.
pub(super) const AMERICAS_LEAD: usize = 2;
/// The representative who begins the showcase.
pub(super) const DANA: usize = 3;
/// The lead of the Europe team.
pub(super) const EUROPE_LEAD: usize = 6;
/// A support agent.
pub(super) const SUPPORT: usize = 9;
/// A marketer.
pub(super) const MARKETING: usize = 10;

macro_rules! posts {
    ($($first:literal $last:literal $role:literal $title:literal $department:literal
       $team:literal $manager:expr, $zone:ident $phone:literal $signs_in:literal;)*) => {
        &[$(Post {
            first: $first, last: $last, role: $role, title: $title, department: $department, team: $team,
            manager: $manager, zone: Tz::$zone, phone: $phone, signs_in: $signs_in,
        }),*]
    };
}

/// All positions; a manager precedes their reports.
pub(super) const POSTS: &[Post] = posts! {
    "Robin" "Ashdown" "admin" "Managing director" "Management" 0 None, America__New_York "+16175550100" true;
    "Margit" "Solheim" "sales_manager" "Vice president, sales" "Sales" 0 Some(0), America__New_York "+16175550101" true;
    "Theo" "Barrowclough" "sales_manager" "Sales lead, Americas" "Sales" 1 Some(1), America__New_York "+16175550102" false;
    "Dana" "Whitlock" "sales_rep" "Account executive" "Sales" 1 Some(2), America__New_York "+16175550103" true;
    "Marcus" "Oyelowe-Finch" "sales_rep" "Account executive" "Sales" 1 Some(2), America__New_York "+16175550104" false;
    "Elena" "Quintrell" "sales_rep" "Account executive" "Sales" 1 Some(2), America__New_York "+16175550105" false;
    "Annika" "Vogelsanger" "sales_manager" "Sales lead, Europe" "Sales" 2 Some(1), Europe__Berlin "+493023125010" false;
    "Luca" "Ferrandini" "sales_rep" "Account executive" "Sales" 2 Some(6), Europe__Berlin "+493023125011" true;
    "Saskia" "Terhorst" "sales_rep" "Account executive" "Sales" 2 Some(6), Europe__Berlin "+493023125012" false;
    "Jonah" "Pellworth" "support" "Customer care" "Service" 0 Some(1), America__New_York "+16175550106" true;
    "Imke" "Rasmuth" "marketing" "Marketing manager" "Marketing" 0 Some(1), Europe__Berlin "+493023125013" true;
    "Tomasz" "Wilkowiak" "analyst" "Business analyst" "Finance" 0 Some(0), America__New_York "+16175550107" true;
};

/// The sellers of a region, including team leads.
const fn sellers(region: Region) -> &'static [usize] {
    match region {
        Region::Americas => &[DANA, DANA, DANA, 4, 4, 4, 5, 5, 5, AMERICAS_LEAD],
        Region::Europe => &[7, 7, 7, 8, 8, 8, EUROPE_LEAD],
    }
}

/// The administrator, who is created with the organization.
pub(super) fn admin() -> NewUser {
    user(&POSTS[ADMIN], Vec::new(), Vec::new(), None)
}

fn user(post: &Post, role_ids: Vec<Id<Role>>, team_ids: Vec<Id<Team>>, manager_id: Option<Id<User>>) -> NewUser {
    NewUser {
        first_name: Some(post.first.to_owned()),
        last_name: Some(post.last.to_owned()),
        email: Some(post.email()),
        job_title: Some(post.title.to_owned()),
        department: Some(post.department.to_owned()),
        phone: Some(post.phone.to_owned()),
        time_zone: Some(post.zone.name().to_owned()),
        role_ids,
        team_ids,
        manager_id,
        ..Default::default()
    }
}

/// The users as created.
pub(super) struct Staff {
    ids: Vec<Id<User>>,
    authors: Vec<Actor>,
}

impl Staff {
    /// Creates the teams and users, with their managers.
    pub(super) async fn hire(crm: &Crm, admin: &Actor, calendar: Calendar, rng: &mut Rng) -> Result<Self, Error> {
        let all = crm.teams(admin);
        let mut teams: Vec<Id<Team>> = Vec::with_capacity(TEAMS.len());
        for (name, description, _) in TEAMS {
            let parent_id = teams.first().copied();
            let description = Some(description.to_owned());
            teams.push(
                all.create(NewTeam { name: name.into(), parent_id, description, ..Default::default() }).await?.id,
            );
        }
        let first = admin.user().ok_or(Error::NotFound(Kind::User))?;
        crm.users(admin).update(first, UserPatch::new().team_ids(vec![teams[0]])).await?;
        let mut ids = vec![first];
        // Level by level: a manager must exist before their reports.
        while ids.len() < POSTS.len() {
            let ready = |post: &&Post| post.manager.is_some_and(|manager| manager < ids.len());
            let mut wave = Vec::new();
            for post in POSTS[ids.len()..].iter().take_while(ready) {
                let role = crm.roles(admin).find("key", post.role).await?.id;
                let manager = post.manager.map(|manager| ids[manager]);
                let new = user(post, vec![role], vec![teams[post.team]], manager);
                let since = calendar.moment(rng, post.zone, HISTORY + 5);
                wave.push(NewWithHistory::new(new).created_at(since));
            }
            for made in crm.users(admin).create_many(wave).await {
                ids.push(made?.id);
            }
        }
        for (&team, (_, _, manager)) in teams.iter().zip(TEAMS) {
            all.update(team, TeamPatch::new().manager_id(ids[manager])).await?;
        }
        // History is backdated on behalf of each user, which requires the permission of an administrator.
        let rights = vec![crm.roles(admin).find("key", "admin").await?.id];
        let origin =
            || Origin { through: Some("import".into()), detail: Some("demo organization".into()), ..Origin::default() };
        let author = |(&id, post): (&Id<User>, &Post)| {
            Actor::trusted(admin.tenant(), id, rights.clone(), vec![teams[post.team]]).through(origin())
        };
        let authors = ids.iter().zip(POSTS).map(author).collect();
        Ok(Self { ids, authors })
    }

    /// Lets the users with access sign in with the demo's password.
    ///
    /// They are invited like any user; the invitation emails are captured here.
    pub(super) async fn let_in(&self, crm: &Crm, admin: &Actor, policy: &Policy) -> Result<(), AuthError> {
        let letters = Arc::new(Emails::default());
        let policy = Policy { mailer: Arc::clone(&letters) as Arc<dyn Mailer>, ..policy.clone() };
        let auth = crm.auth(&policy);
        let invited = POSTS.iter().zip(&self.ids).filter(|(post, id)| post.signs_in && Some(**id) != admin.user());
        for (_, &id) in invited {
            auth.invite_again(admin, id).await?;
            if let Some(ticket) = letters.take() {
                auth.accept_invitation(&ticket, &Secret::from(super::PASSWORD)).await?;
            }
        }
        Ok(())
    }

    pub(super) fn id(&self, post: usize) -> Id<User> {
        self.ids[post]
    }

    /// An actor that writes on behalf of a user.
    pub(super) fn author(&self, post: usize) -> &Actor {
        &self.authors[post]
    }

    /// The time zone of a user.
    pub(super) fn zone(post: usize) -> Tz {
        POSTS[post].zone
    }

    /// A random seller of a region.
    pub(super) fn seller(rng: &mut Rng, region: Region) -> usize {
        pick(rng, sellers(region))
    }
}

impl std::fmt::Debug for Staff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Staff").field("ids", &self.ids).finish_non_exhaustive()
    }
}

/// Captures the token of the last email.
#[derive(Default)]
struct Emails(Mutex<Option<Secret>>);

impl Emails {
    fn take(&self) -> Option<Secret> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[async_trait]
impl Mailer for Emails {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let (Mail::Invitation(letter) | Mail::PasswordReset(letter)) = mail;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(letter.ticket);
        Ok(())
    }
}
