"""The address that opens a built file: by its signature alone, no log-in and no session."""

from django.contrib.auth.decorators import login_not_required
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from web import export_jobs

TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet", "zip": "application/zip",
}  # fmt: skip


@login_not_required
@require_safe
@never_cache
def download(_request: HttpRequest, link: str) -> HttpResponseBase:
    """The file, or in one line why not."""
    try:
        file = export_jobs.opened(link)
        content = export_jobs.path_of(file).open("rb")
    except (export_jobs.LinkError, FileNotFoundError) as wrong:
        told = str(wrong) if isinstance(wrong, export_jobs.LinkError) else "the file is gone: ask for it again"
        return HttpResponse(f"{told}\n", status=403, content_type="text/plain; charset=utf-8")
    kind = TYPES[file.name.rpartition(".")[2]]
    return FileResponse(content, as_attachment=True, filename=file.name, content_type=kind)
