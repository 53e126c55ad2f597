"""Downloads, within the scope of who asks."""

import tempfile
from pathlib import Path

from django.http import FileResponse, Http404, HttpRequest
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from allocation.scope import scope_of
from finops.periods import Period, PeriodError
from web.exports import statement as workbook

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@require_safe
@never_cache
def statement(request: HttpRequest, month: str) -> FileResponse:
    """The monthly workbook: everything for those who see everything, else the own cost centres."""
    try:
        period = Period.month(month)
    except PeriodError:
        raise Http404 from None
    with tempfile.TemporaryDirectory(prefix="statement-") as folder:
        path = Path(folder) / workbook.file_name(period)
        workbook.write(path, scope_of(request.user), period, timezone.now())
        file = path.open("rb")  # read to the end after its name is gone
    return FileResponse(file, as_attachment=True, filename=path.name, content_type=XLSX)
