"""Django settings: one flat file. Every variable is in the README's table; each may also be given as NAME_FILE."""

from pathlib import Path

from csp.constants import NONCE, NONE, SELF, UNSAFE_INLINE

from finops.database import databases
from finops.env import env, env_amount, env_bool, env_choice, env_list
from finops.secret_key import secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env("FINOPS_DATA_DIR", str(BASE_DIR / ".finops"))).expanduser().resolve()

DEBUG = env_bool("FINOPS_DEBUG")
SECRET_KEY = secret_key(DATA_DIR)
ALLOWED_HOSTS = env_list("FINOPS_ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = env_list("FINOPS_TRUSTED_ORIGINS")

DATABASES = {"default": databases(DATA_DIR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "finops.User"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
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
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",  # deny by default: a public view says so itself
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
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
        "style-src": [SELF, UNSAFE_INLINE],  # Dash and Plotly set inline styles; scripts stay strict
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = env_bool("FINOPS_HTTPS")
if SECURE_SSL_REDIRECT:  # the proxy that ends TLS must set this header, and strip it from requests
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "web.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["web.api.permissions.WithinTokenScope"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
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
    "ENUM_NAME_OVERRIDES": {"RunStateEnum": ["running", "done", "failed", "refused"]},
}

CELERY_BROKER_URL = env("CELERY_BROKER_URL", "")  # empty: pgmq:// on the same PostgreSQL (finops.celery)
# Names where ingest asks which kind of query an event belongs to (imports point the other way).
CLASSIFIER = "allocation.selectors.current_classifier"
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

LOGGING_CONFIG = "finops.redaction.configure"  # no handler of whatever library ever sees a secret
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {"refusals": {"()": "finops.redaction.OneLineUnlessOurFault"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},  # their DEBUG lists whole headers
        "django.request": {"filters": ["refusals"]},
    },
}
