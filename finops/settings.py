"""Django settings: one flat file. Every variable is in the README's table; each may also be given as NAME_FILE."""

from datetime import timedelta
from pathlib import Path

from csp.constants import NONCE, NONE, SELF

from finops import sso_settings
from finops.database import databases
from finops.env import env, env_amount, env_bool, env_choice, env_count, env_limits, env_list
from finops.mail import email_settings
from finops.secret_key import secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env("FINOPS_DATA_DIR", str(BASE_DIR / ".finops"))).expanduser().resolve()

DEBUG = env_bool("FINOPS_DEBUG")
SECRET_KEY = secret_key(DATA_DIR)
ALLOWED_HOSTS = env_list("FINOPS_ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = env_list("FINOPS_TRUSTED_ORIGINS")

DATABASES = databases(DATA_DIR)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "finops.User"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "finops",
    "ingest",
    "allocation",
    "forecasting",
    "web",
]
MIDDLEWARE = [
    "finops.requests.RequestIdMiddleware",
    "web.metrics.RequestsMiddleware",
    "finops.headers.HeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "web.shares.FairShareMiddleware",
    "finops.database.limits.StatementLimitMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",  # deny by default: a public view says so itself
    "django.contrib.messages.middleware.MessageMiddleware",
    "web.pages.parameters.KnownParametersMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "web.styles.StylesMiddleware",
    "axes.middleware.AxesMiddleware",  # last: it puts its page in place of the answer to a locked log-in
]
ROOT_URLCONF = "finops.urls"
WSGI_APPLICATION = "finops.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
AUTHENTICATION_BACKENDS = [
    "web.log_in.Lock",  # refuses who is locked out, before any password is looked at
    "django.contrib.auth.backends.ModelBackend",
]
# Wrong passwords are counted per user name and address: nobody locks a colleague out from elsewhere.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 6
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # further tries do not keep the rightful owner out for longer
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "finops.requests.client_address"
AXES_LOCKOUT_CALLABLE = "web.pages.log_in.locked_out"
SESSION_ENGINE = "web.sessions"  # knows whose each session is, so that it ends with a right that was taken
SESSION_COOKIE_AGE = env_count("FINOPS_SESSION_HOURS", 12) * 3600
PROXIES = int(env_choice("FINOPS_PROXIES", ("0", "1", "2", "3")))  # in front of us, each adding to X-Forwarded-For
OIDC = sso_settings.read()  # None: no single sign-on
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"

# Facts live in UTC; FINOPS_TIME_ZONE moves only hour-of-day views and schedules (CONTRACTS 1: charge_date).
USE_TZ = True
TIME_ZONE = "UTC"
REPORT_TIME_ZONE = env("FINOPS_TIME_ZONE", "UTC")
REPORT_CURRENCY = env("FINOPS_CURRENCY", "USD")
SELF_APPROVAL = env("FINOPS_SELF_APPROVAL", "") == "1"  # a site of one person
FX = env_choice("FINOPS_FX", ("transaction", "month_average"))  # which day's exchange rates hold (finops.fx)
APPROVAL_LIMIT = env_amount("FINOPS_APPROVAL_LIMIT", "10000")  # above it another person approves what one enters
APPROVAL_LIMITS = env_limits("FINOPS_APPROVAL_LIMITS")  # who may approve how much; empty: no limits
MATERIALITY = env_amount("FINOPS_MATERIALITY", "0")  # smaller net corrections of frozen months are borne by finance
FINANCE_COST_CENTRE = env("FINOPS_FINANCE_COST_CENTRE", "")  # bears recoverable tax and differences of currencies
LANGUAGE_CODE = "en-gb"
USE_I18N = False

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # WhiteNoise warns at every start when it is missing
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True  # a fresh clone serves without collectstatic

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],  # dashboards need more and say so (web.styles)
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF, *([OIDC.origin] if OIDC else [])],  # the form Log out ends the provider's session too
    }
}
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = env_bool("FINOPS_HTTPS")
if SECURE_SSL_REDIRECT:  # the proxy that ends TLS must set this header, and strip it from requests
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # asked from within, without the proxy
STATEMENT_SECONDS = env_count("FINOPS_STATEMENT_SECONDS", 15)  # the longest that one question of a reader may run
METRICS_TOKEN = env("FINOPS_METRICS_TOKEN", "")  # who sends it may read /metrics
METRICS_NETWORKS = env_list("FINOPS_METRICS_NETWORKS")  # and who comes from here; neither: nobody
API_RATE = env_choice("FINOPS_API_RATE", ("1200/min", "off", "120/min", "300/min", "600/min", "3000/min", "12000/min"))

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "web.api.authentication.TokenAuthentication",
        "web.api.authentication.OwnSession",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["web.api.permissions.WithinTokenScope"],
    "DEFAULT_THROTTLE_CLASSES": ["web.api.throttling.PerCaller"] if API_RATE != "off" else [],
    "DEFAULT_THROTTLE_RATES": {"caller": None if API_RATE == "off" else API_RATE},
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["web.api.parsing.StorableJSONParser"],
    "EXCEPTION_HANDLER": "web.api.problems.problem_json",
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Inference Ledger",
    "VERSION": "1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "web.api.throttling.documented",
    ],
    "ENUM_NAME_OVERRIDES": {
        "RunStateEnum": ["running", "done", "failed", "refused"],
        "StatementStateEnum": "allocation.models.Statement.State",
        "StatementKindEnum": "allocation.models.Statement.Kind",
        "ApprovalStateEnum": "finops.models.Approval.State",
        "JournalStateEnum": ["preview", "built", "posted", "exported", "numbered"],
        "BudgetVersionEnum": "forecasting.models.BudgetVersion.Kind",
        "BudgetStateEnum": ["no_budget", "ok", "watch", "breach_likely", "over"],
        "GatewayVerdictEnum": ["allow", "stop", "warn"],
        "AlertKindEnum": ["budget", "cap", "band"],
        "AnomalyKindEnum": ["spike", "drop", "level_up", "level_down", "new_key", "back_after_silence"],
        "AnomalyStateEnum": "forecasting.models.Anomaly.State",
        "AnomalyVerdictEnum": ["real", "expected", "wrong"],
        "ExportStateEnum": "web.models.BuiltFile.State",
        "RunawayStateEnum": "allocation.models.Runaway.State",
        "ExportKindEnum": ["workbook", "statement", "charges", "focus", "journal"],
    },
}

CELERY_BROKER_URL = env("CELERY_BROKER_URL", "")  # empty: pgmq:// on the same PostgreSQL (finops.celery)
# Names where ingest asks which kind of query an event belongs to (imports point the other way).
CLASSIFIER = "allocation.selectors.current_classifier"
BUDGETS = "forecasting.selectors"  # where statements read budgets
TRACE_LOOK_BACK_DAYS = 2
# Tag keys that become part of a usage key; all others are counted by name and dropped.
TAG_KEYS = env_list(
    "FINOPS_TAG_KEYS", "team,cost_centre,feature,use_case,env,environment,project,product,tier,customer_tier"
)
NEW_KEYS_PER_DAY = 5_000
# Python packages beside ingest.sources whose modules define a SOURCE each.
SOURCE_PACKAGES = env_list("FINOPS_SOURCE_PACKAGES", "")
# Credentials are sealed with the first of these (newest first); empty: a ring of our own (finops.encryption).
ENCRYPTION_KEYS = env("FINOPS_ENCRYPTION_KEYS", "")
# Beyond public addresses, what connections may reach: CIDR networks (ingest.network).
ALLOWED_NETWORKS = env_list("FINOPS_ALLOWED_NETWORKS")
globals().update(email_settings(env("FINOPS_EMAIL_URL", ""), DATA_DIR))  # EMAIL_*
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env("FINOPS_EMAIL_FROM", "ledger@localhost")
SITE_URL = env("FINOPS_SITE_URL", "").rstrip("/")  # where people reach the pages; mails link to it
EXPORT_LINK_SECONDS = env_count("FINOPS_EXPORT_LINK_MINUTES", 15) * 60  # how long a link to a built file opens it
EXPORT_DAYS = env_count("FINOPS_EXPORT_DAYS", 7)  # how long built files are kept
WEBHOOK_SECRET = env("FINOPS_WEBHOOK_SECRET", "")  # signs what webhooks get

LOG = env_choice("FINOPS_LOG", ("line", "json"))
LOGGING_CONFIG = "finops.redaction.configure"  # no handler of whatever library ever sees a secret
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
        "json": {"()": "finops.redaction.JsonLines"},
    },
    "filters": {"refusals": {"()": "finops.redaction.OneLineUnlessOurFault"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},  # their DEBUG lists whole headers
        "django.request": {"filters": ["refusals"]},
        "finops.requests": {"level": "INFO" if LOG == "json" else "WARNING"},  # one line per request
    },
}
