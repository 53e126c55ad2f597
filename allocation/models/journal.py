"""The journal of a month, as it goes to the books."""

from django.db import models

from finops.domains import MoneyField


class JournalEntry(models.Model):
    """The journal of one month, built once it is closed. Unique by month and number; the highest number counts.

    Its lines never change. Forward only: built, posted by another person, exported once, numbered by the books. One that
    was not posted is replaced by building another.
    """

    month = models.DateField(help_text="Its first day.")
    number = models.IntegerField()
    content_hash = models.CharField(max_length=64, help_text="SHA-256 of the lines.")
    built_at = models.DateTimeField(auto_now_add=True)
    built_by = models.CharField(max_length=150)
    posted_at = models.DateTimeField(null=True)
    posted_by = models.CharField(max_length=150, blank=True)
    exported_at = models.DateTimeField(null=True)
    exported_by = models.CharField(max_length=150, blank=True)
    export_sha256 = models.CharField(max_length=64, blank=True)
    template = models.JSONField(default=list, help_text="The columns of the export, as they were.")
    document_number = models.CharField(max_length=60, blank=True, help_text="Of the books (ERP).")

    class Meta:
        db_table = "journal_entry"
        constraints = [models.UniqueConstraint(fields=["month", "number"], name="journal_entry_is_unique")]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} journal {self.number}"


class JournalLine(models.Model):
    """One line of a journal: a debit or a credit at the currency's minor unit. Unique by journal and position.

    Per legal entity and currency debits = credits. Never changed.
    """

    entry = models.ForeignKey(JournalEntry, on_delete=models.CASCADE, related_name="lines")
    position = models.IntegerField()
    event = models.CharField(max_length=30)
    posting_date = models.DateField()
    legal_entity = models.TextField(blank=True)
    currency = models.CharField(max_length=3)
    account = models.TextField()
    cost_centre = models.TextField(blank=True, help_text="'': held centrally.")
    debit = MoneyField()
    credit = MoneyField()
    text = models.TextField(blank=True)
    reference = models.TextField(blank=True, help_text="Invoice numbers, or the provisional one.")
    billed_month = models.DateField(null=True)

    class Meta:
        db_table = "journal_line"
        constraints = [models.UniqueConstraint(fields=["entry", "position"], name="journal_line_is_unique")]

    def __str__(self) -> str:
        return f"{self.entry_id}.{self.position} {self.account} {self.debit - self.credit}"
